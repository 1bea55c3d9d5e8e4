/** Paths of steps in sagas that have lists: those of items are known only once the lists are. */
import type { ForEach, Nested, Node, Program, StepNode, Wait } from "./definition.ts"

/** Stands for the key of an item in the paths of the steps that all items have. */
export const anyKey = "(item)"

/** The step, nested saga or list at a path; in a list at any key, whether or not there is such an item. */
export const nodeAt = (program: Program, path: string): StepNode | Nested | ForEach | undefined => {
  for (const node of program.nodes) {
    const found = node._tag === "Parallel" ? firstOf(node.nodes, path) : within(node, path)
    if (found !== undefined) return found
  }
  return undefined
}

const firstOf = (nodes: ReadonlyArray<StepNode | Nested>, path: string) => {
  for (const node of nodes) {
    const found = within(node, path)
    if (found !== undefined) return found
  }
  return undefined
}

const within = (node: StepNode | Wait | Nested | ForEach, path: string): StepNode | Nested | ForEach | undefined => {
  if (node._tag === "Wait") return node.step.path === path ? node.step : undefined
  if (node.path === path) return node
  if (!path.startsWith(`${node.path}/`)) return undefined
  switch (node._tag) {
    case "Step":
      return undefined
    case "Nested":
      return nodeAt(node.program, path)
    case "ForEach": {
      const key = keyIn(node.path.length + 1, path)
      return key === undefined ? undefined : nodeAt(node.programOf(key), path)
    }
  }
}

/** The key of an item that begins here in a path; undefined if the path ends with it. */
const keyIn = (start: number, path: string): string | undefined => {
  const end = path.indexOf("/", start)
  return end === -1 ? undefined : path.slice(start, end)
}

/**
 * Makes the paths of items' steps those of the steps that all items have, with `(item)` for the key: of such there are as many as the
 * definition has steps.
 */
export const withoutKeys = (program: Program): (path: string) => string => {
  const lists = program.hasLists ? listsIn(program.nodes) : []
  if (lists.length === 0) return (path) => path
  return (path) => lists.reduce(withoutKeyOf, path)
}

/** Tells whether a path, with or without keys, is one of the steps of a list's items. */
export const isOfList = (program: Program): (path: string) => boolean => {
  const lists = program.hasLists ? listsIn(program.nodes) : []
  const nameOf = withoutKeys(program)
  return (path) => lists.some((list) => nameOf(path).startsWith(list))
}

const withoutKeyOf = (path: string, list: string): string => {
  if (!path.startsWith(list)) return path
  const end = path.indexOf("/", list.length)
  return end === -1 ? path : `${list}${anyKey}${path.slice(end)}`
}

/** The paths of all lists, each with a "/" after it, and a list in a list after that one. */
const listsIn = (nodes: ReadonlyArray<Node>): ReadonlyArray<string> =>
  nodes.flatMap((node) => {
    switch (node._tag) {
      case "Step":
      case "Wait":
        return []
      case "Nested":
        return listsIn(node.program.nodes)
      case "Parallel":
        return listsIn(node.nodes)
      case "ForEach":
        return [`${node.path}/`, ...listsIn(node.program.nodes)]
    }
  })
