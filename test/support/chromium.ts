/** The real Mermaid in a real browser. */
import { describe, inject } from "@effect/vitest"
import { Context, Effect, Layer } from "effect"
import { mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import { chromium, type Page } from "playwright-core"
import { needsChromium } from "./chromiumBinary.ts"

const binary = inject("chromium")

/** Skipped where there is no browser, which the end of the run tells; with REQUIRE_CHROMIUM=1 its tests fail instead. */
export const describeChromium = (name: string, tests: () => void) =>
  describe.skipIf("missing" in binary && process.env.REQUIRE_CHROMIUM !== "1")(needsChromium + name, tests)

/** What a reader sees of a picture. */
export interface Seen {
  readonly boxes: Readonly<Record<string, { readonly text: string; readonly top: number; readonly bottom: number }>>
  readonly groups: Readonly<Record<string, string>>
  readonly labels: ReadonlyArray<string>
  readonly arrows: number
  /** Elements that a picture has no use for. */
  readonly foreign: number
}

/** Draws a picture as GitHub does, or fails with what Mermaid says of it. */
export class Mermaid extends Context.Tag("test/Mermaid")<Mermaid, {
  readonly draw: (text: string) => Effect.Effect<Seen, string>
}>() {
  static readonly layer = Layer.scoped(
    Mermaid,
    Effect.gen(function*() {
      const page = yield* openPage
      const draw = (text: string) =>
        Effect.flatMap(
          Effect.promise(() => page.evaluate(drawInPage, text)),
          (seen) => typeof seen === "string" ? Effect.fail(seen) : Effect.succeed(seen)
        )
      return { draw }
    })
  )
}

// Without these it asks its maker's servers for updates and the like.
const quiet = ["quic", "background-networking", "component-update", "sync", "gpu"].map((what) => `--disable-${what}`)

const openPage = Effect.gen(function*() {
  if ("missing" in binary) return yield* Effect.dieMessage(`There is no Chromium: ${binary.missing}`)
  const profile = yield* Effect.acquireRelease(
    Effect.sync(() => mkdtempSync(join(tmpdir(), "effect-saga-chromium-"))),
    (profile) => Effect.sync(() => rmSync(profile, { recursive: true, force: true, maxRetries: 5 }))
  )
  const browser = yield* Effect.acquireRelease(
    Effect.promise(() =>
      chromium.launchPersistentContext(profile, {
        executablePath: binary.path,
        args: ["--headless", "--no-sandbox", "--no-first-run", ...quiet]
      })
    ),
    (browser) => Effect.promise(() => browser.close())
  )
  return yield* Effect.promise(() => preparePage(browser.newPage()))
})

const preparePage = async (opening: Promise<Page>) => {
  const page = await opening
  await page.setContent("<body></body>")
  await page.addScriptTag({
    path: fileURLToPath(new URL("../../node_modules/mermaid/dist/mermaid.min.js", import.meta.url))
  })
  return page
}

/** Runs in the page, and so refers to nothing of this file. */
const drawInPage = async (text: string): Promise<Seen | string> => {
  const mermaid = (globalThis as any).mermaid
  mermaid.initialize({ startOnLoad: false, securityLevel: "strict", suppressErrorRendering: true })
  try {
    const { svg } = await mermaid.render("picture", text)
    document.body.innerHTML = svg
  } catch (error) {
    return String(error)
  }
  const all = (selector: string) => Array.from(document.querySelectorAll(selector))
  const textOf = (element: Element) => element.querySelector(".nodeLabel")?.textContent ?? ""
  const boxes = all("g.node").map((element) => {
    const { bottom, top } = element.getBoundingClientRect()
    return [/-([a-z]+\d+)-\d+$/.exec(element.id)?.[1] ?? element.id, { text: textOf(element), top, bottom }] as const
  })
  return {
    boxes: Object.fromEntries(boxes),
    groups: Object.fromEntries(
      all("g.cluster").map((element) => [/(group\d+)$/.exec(element.id)?.[1] ?? element.id, textOf(element)])
    ),
    labels: all(".edgeLabel .edgeLabel").map((element) => element.textContent ?? ""),
    arrows: all("path.flowchart-link").length,
    foreign: all("body script, body img, body a, body i, body em, body strong, body math").length
  }
}
