/** Collects what is wrong with a plan. */
import { mostProblems, type Problem, shortened } from "./problems.ts"

export type Report = (tag: Problem["_tag"], at: string, message: string) => void

// Room to collect in before it is sorted.
const room = 10 * mostProblems

const collator = new Intl.Collator("en", { numeric: true })
const byPlace = (a: Problem, b: Problem) => collator.compare(a.at, b.at)

/** Keeps the first problems by place, and counts the others: a plan of any size has an answer of bounded size. */
export class Problems {
  private kept: Array<Problem> = []
  private count = 0

  /** The place after which nothing is kept, once there are enough problems before it. */
  private last: string | undefined

  readonly report: Report = (_tag, given, message) => {
    this.count++
    const at = enclosing(given)
    if (this.last !== undefined && collator.compare(at, this.last) > 0) return
    this.kept.push({ _tag, at, message: shortened(message) })
    if (this.kept.length < room) return
    this.kept = this.first()
    this.last = this.kept.at(-1)?.at
  }

  get isEmpty(): boolean {
    return this.count === 0
  }

  first(): Array<Problem> {
    return this.kept.sort(byPlace).slice(0, mostProblems)
  }

  all(): { readonly problems: ReadonlyArray<Problem>; readonly more: number } {
    const problems = this.first()
    return { problems, more: this.count - problems.length }
  }
}

const longestPlace = 500

/** A place, or where its pointer is too long, the nearest place around it whose pointer is not. */
const enclosing = (at: string): string =>
  at.length <= longestPlace ? at : at.slice(0, at.lastIndexOf("/", longestPlace))
