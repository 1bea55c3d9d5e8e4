/** Makes one program of the sources of a process. */
import { build } from "esbuild"
import { basename, join } from "node:path"
import { fileURLToPath } from "node:url"

const root = fileURLToPath(new URL("../..", import.meta.url))

/**
 * Makes one program of a source file and all that it imports, and returns its path: a process that a test starts dozens of times must
 * begin quickly, and a loader that translates each file takes two seconds for it. Inside the repository, so that the databases'
 * drivers are found. `packages: "external"` is for packages that cannot be in one ES module with others.
 */
export const bundle = async (source: URL, options?: { readonly packages: "external" }): Promise<string> => {
  const path = fileURLToPath(source)
  const program = join(root, "node_modules", ".cache", `effect-saga-${basename(path, ".ts")}-${process.pid}.mjs`)
  await build({
    entryPoints: [path],
    outfile: program,
    bundle: true,
    format: "esm",
    platform: "node",
    target: "node20",
    ...(options ?? { external: ["better-sqlite3", "pg", "pg-*"] }),
    tsconfig: join(root, "tsconfig.json"),
    logLevel: "warning",
    // The check of the version of Effect, which package.json names for `dist` only.
    logOverride: { "ignored-bare-import": "silent" }
  })
  return program
}
