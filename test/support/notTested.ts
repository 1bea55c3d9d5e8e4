/** What a run did not test because the machine lacks something: said at its end, where it is seen. */
import { relative } from "node:path"
import type { TestProject } from "vitest/node"

export interface Missing {
  /** Why. */
  readonly missing: string
}

export const sayWhatWasSkipped = (
  project: TestProject,
  lacking: { readonly name: string; readonly prefix: string; readonly reason: string; readonly remedy: string }
) => {
  const skipped = project.vitest.state.getTestModules()
    .flatMap((module) => Array.from(module.children.allSuites()))
    .filter((suite) => suite.name.startsWith(lacking.prefix) && suite.state() === "skipped")
    .map((suite) => {
      const file = relative(project.config.root, suite.module.moduleId)
      return `  ${file}: ${suite.name}, ${Array.from(suite.children.allTests()).length} tests`
    })
  if (skipped.length === 0) return
  const line = "!".repeat(100)
  process.stderr.write(`
${line}
NOT TESTED: there is no ${lacking.name} for
${skipped.join("\n")}
Why: ${lacking.reason}
${lacking.remedy}
${line}
`)
}
