/**
 * Refuses to load with an `effect` of another version. Every entry of the package imports this file first, so that it runs before
 * anything that a wrong version would break in words that name no version.
 *
 * Names that Effect 4 does not have are read from a namespace (`Effect3.FiberRef`) in all of src: a named import of one would fail
 * while modules are linked, before any of them runs.
 */
import * as effect from "effect"

/** The peer range of package.json. */
const supported = "^3.22.2"

/** Effect 4 has no `ModuleVersion`; in Node its package.json tells its version. */
const versionOfPackage = (): string | undefined => {
  try {
    const require = globalThis.process?.getBuiltinModule("node:module").createRequire(import.meta.url)
    return (require("effect/package.json") as { readonly version: string }).version
  } catch {
    return undefined
  }
}

const numbersOf = (version: string) => version.replace("^", "").split(/[.-]/, 3).map(Number)

const isSupported = (version: string): boolean => {
  const [major, minor = 0, patch = 0] = numbersOf(version)
  const [wantedMajor, leastMinor = 0, leastPatch = 0] = numbersOf(supported)
  return major === wantedMajor && (minor > leastMinor || (minor === leastMinor && patch >= leastPatch))
}

const ofModule: typeof effect.ModuleVersion | undefined = effect.ModuleVersion
const found = ofModule === undefined ? versionOfPackage() : ofModule.getCurrentVersion()
if (found === undefined || !isSupported(found)) {
  throw new Error(
    `effect-saga runs on effect ${supported}, and found effect ${
      found ?? "4 or later"
    }: install effect@${supported}. ` +
      "Nothing of effect-saga was loaded"
  )
}
