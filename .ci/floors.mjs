/**
 * Holds each room of src to its floor: a file imports only from its own room or from lower floors, type imports counted, and no
 * two rooms import each other.
 */
import { readdirSync, readFileSync } from "node:fs"
import { dirname, join, relative } from "node:path"
import { fileURLToPath } from "node:url"

// The lowest first. Rooms of one floor do not see each other.
const floors = [
  ["values"],
  ["errors", "journal"],
  ["SagaError.ts", "Journal.ts"],
  ["definition"],
  ["store", "watch"],
  ["sql", "engine"],
  ["report", "durably"],
  ["Saga.ts"],
  ["plan"],
  ["recovery", "executions", "Signal.ts"],
  ["worker"],
  ["testing"],
  ["index.ts"],
  ["cli"]
]

const src = fileURLToPath(new URL("../src", import.meta.url))
const roomOf = (file) => relative(src, file).split("/")[0]
const floorOf = (room) => floors.findIndex((rooms) => rooms.includes(room))

const problems = []
for (const entry of readdirSync(src, { recursive: true, withFileTypes: true })) {
  if (!entry.isFile() || !entry.name.endsWith(".ts")) continue
  const file = join(entry.parentPath, entry.name)
  const room = roomOf(file)
  if (floorOf(room) === -1) {
    problems.push(`${relative(src, file)} is in no room of .ci/floors.mjs: give ${room} a floor`)
    continue
  }
  for (const [, target] of readFileSync(file, "utf8").matchAll(/(?:from|import\()\s*"(\.[^"]+)"/g)) {
    const other = roomOf(join(dirname(file), target))
    if (other !== room && floorOf(other) >= floorOf(room)) {
      problems.push(`${relative(src, file)} imports ${target}: ${other} is not on a lower floor than ${room}`)
    }
  }
}

for (const problem of problems) console.error(problem)
if (problems.length > 0) process.exit(1)
console.log(`every import goes down: ${floors.flat().length} rooms on ${floors.length} floors`)
