/** The mutants themselves are run by hand (`test/mutants/README.md`), but a change that moves their texts is seen at once. */
import { expect, it } from "@effect/vitest"
import { spawnSync } from "node:child_process"
import { fileURLToPath } from "node:url"

it("every mutant applies: its text is there once, and so are the files of its tests", () => {
  const run = fileURLToPath(new URL("./mutants/run.mjs", import.meta.url))
  const { status, stderr, stdout } = spawnSync(process.execPath, [run, "--check"], { encoding: "utf8" })
  expect(stderr).toBe("")
  expect(stdout).toMatch(/^[1-9]\d* mutants apply\n$/)
  expect(status).toBe(0)
})
