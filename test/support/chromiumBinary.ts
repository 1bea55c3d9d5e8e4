/** The Chromium of a test run: the one at CHROMIUM, or else Debian's. A run that has neither ends by saying what it did not test. */
import { existsSync } from "node:fs"
import type { TestProject } from "vitest/node"
import { type Missing, sayWhatWasSkipped } from "./notTested.ts"

declare module "vitest" {
  export interface ProvidedContext {
    readonly chromium: { readonly path: string } | Missing
  }
}

export const needsChromium = "Chromium: "

const installed = "/usr/bin/chromium"

export default (project: TestProject) => {
  const path = process.env.CHROMIUM || installed
  if (existsSync(path)) return project.provide("chromium", { path })
  const missing = path === installed ? `CHROMIUM is not set, and there is no ${installed}` : `there is no ${path}`
  project.provide("chromium", { missing })
  return () =>
    sayWhatWasSkipped(project, {
      name: "Chromium",
      prefix: needsChromium,
      reason: missing,
      remedy: "Install it (Debian: apt-get install chromium), or set CHROMIUM to the path of one.\n" +
        "With REQUIRE_CHROMIUM=1 this is a failure."
    })
}
