/** The places of a worker: how many executions it drives at a time. */

/** How many executions may pause without a place, for each place. */
const pausingPerPlace = 10

/** The place of one execution. */
export interface Place {
  /** Gives it to another execution, because this one pauses; not if too many pause already. */
  readonly leave: () => void
  /** The execution has ended. */
  readonly end: () => void
}

export class Places {
  private readonly concurrency: number
  private readonly perSaga: ReadonlyMap<string, number>
  private taken = 0
  private readonly takenBySaga = new Map<string, number>()
  /** How many executions go on without a place. */
  private without = 0

  constructor(concurrency: number, perSaga: ReadonlyMap<string, number>) {
    this.concurrency = concurrency
    this.perSaga = perSaga
  }

  /** How many more executions may begin: of any saga, or of one that has a limit of its own. */
  freeFor(saga: string | undefined): number {
    const all = this.concurrency - this.taken
    const most = saga === undefined ? undefined : this.perSaga.get(saga)
    return most === undefined ? all : Math.min(all, most - (this.takenBySaga.get(saga!) ?? 0))
  }

  /** Whether a saga has a limit of its own. */
  isLimited(saga: string): boolean {
    return this.perSaga.has(saga)
  }

  /** Whether so many places are free, of any saga or of one that has a limit of its own, that a look is worth its statement. */
  hasRoom(saga: string | undefined): boolean {
    const most = saga === undefined ? this.concurrency : Math.min(this.concurrency, this.perSaga.get(saga)!)
    return this.freeFor(saga) >= Math.max(1, Math.floor(most / 4))
  }

  take(saga: string): Place {
    this.count(saga, 1)
    let holds = true
    return {
      leave: () => {
        if (!holds || this.without >= this.concurrency * pausingPerPlace) return
        holds = false
        this.without++
        this.count(saga, -1)
      },
      end: () => {
        if (holds) this.count(saga, -1)
        else this.without--
      }
    }
  }

  private count(saga: string, by: 1 | -1): void {
    this.taken += by
    if (this.perSaga.has(saga)) this.takenBySaga.set(saga, (this.takenBySaga.get(saga) ?? 0) + by)
  }
}
