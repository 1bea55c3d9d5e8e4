/** Chance that a seed repeats: by name, for what several processes must agree on, and in a row, for what one process does. */

/** A number from 0 to 1, the same for the same text. */
export const chanceOf = (text: string): number => {
  let hash = 0x811c9dc5
  for (let index = 0; index < text.length; index++) hash = Math.imul(hash ^ text.charCodeAt(index), 0x01000193)
  // The last bytes of the text have hardly moved the upper bits yet.
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b)
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35)
  return ((hash ^ (hash >>> 16)) >>> 0) / 2 ** 32
}

/** Numbers from 0 to 1, one after the other. */
export const chances = (seed: string) => {
  let count = 0
  return () => chanceOf(`${seed} ${count++}`)
}
