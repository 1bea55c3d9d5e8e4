/** What the processes of a storm and the bank, which keeps the ledger, say to each other: a line of JSON each. */

/** How probable it is that a call goes wrong, from 0 to 1. */
export interface Odds {
  /** It is declined, now and whenever it is asked for again. */
  readonly refused?: number
  /** It is declined this time. */
  readonly busy?: number
  /** The bank says that it does not know whether it happened. */
  readonly unknown?: number
  /** There is no answer. */
  readonly lost?: number
  /** It makes the caller die of a defect. */
  readonly dead?: number
  /** It is declined the first few times. */
  readonly stubborn?: number
}

export interface Call {
  readonly _tag: "Call"
  readonly id: number
  readonly role: "do" | "undo" | "verify"
  readonly executionId: string
  readonly step: string
  readonly key: string
  /** The key of the action; for `"undo"` it says what is to be undone. */
  readonly actionKey: string
  /** What the action returned, as the compensation is given it. */
  readonly receipt?: string
  /** Under which claim of the execution the process acts: 0 is that of its start, each later one is higher. */
  readonly fence: number
  /** Epoch milliseconds of the moment in which the library called the step's function. */
  readonly begunAt: number
  /** Epoch milliseconds until which the call counts, where the library hands one out. */
  readonly deadline?: number
  readonly odds: Odds
}

/** What the bank answers to a call. All but `Done` say that it has not happened now, but for `Unknown`, which says nothing. */
export type Answer =
  | { readonly _tag: "Done"; readonly receipt: string }
  | { readonly _tag: "None" | "Refused" | "Busy" | "Unknown" | "Dead" | "TooLate" }

/** How a call of the library ended, as far as its words go. */
export type Outcome =
  | { readonly _tag: "Succeeded"; readonly output: unknown }
  | {
    readonly _tag: "Failed"
    readonly tag: string
    readonly reason: string | undefined
    /** Of the three errors that say what stands: whether the execution waits in the store. */
    readonly parked: boolean
    readonly message: string
  }
  | { readonly _tag: "Died"; readonly message: string }
  | { readonly _tag: "Interrupted" }

/** What a process of the storm tells: that it is ready, what it has claimed, and what the library has answered. */
export type Note =
  | { readonly _tag: "Ready"; readonly process: number }
  | { readonly _tag: "Claimed"; readonly executionId: string; readonly fence: number; readonly token: number }
  | {
    readonly _tag: "Ended"
    readonly by: "execute" | "start" | "resume" | "await" | "poll"
    readonly executionId: string
    readonly outcome: Outcome
  }
  /** A start was acknowledged. */
  | { readonly _tag: "Begun"; readonly executionId: string }
  /** A cancellation is about to be asked for, in a name that nobody else has. */
  | { readonly _tag: "Asking"; readonly executionId: string; readonly name: string }
  /** The answer to that: it is stored, it is refused for this reason, or this error came. */
  | { readonly _tag: "Asked"; readonly executionId: string; readonly name: string; readonly answer: CancelAnswer }
  | {
    readonly _tag: "Recovered"
    readonly executionId: string
    readonly as: "Succeeded" | "Undone" | "Parked" | "LeftAsItWas" | "Elsewhere" | "Unregistered" | "GoesOn" | "Waiting"
    readonly outcome: Outcome | undefined
  }

/** `Unsure`: the store could not say whether it has stored the request. */
export type CancelAnswer =
  | { readonly _tag: "Stored" | "NotFound" | "Unsure" }
  | { readonly _tag: "Refused"; readonly reason: string }
  | { readonly _tag: "Failed"; readonly message: string }

/** A question for the id of some execution that the bank has heard of: the more recent, the more probable. */
export interface Which {
  readonly _tag: "Which"
  readonly id: number
  /** From 0 to 1. */
  readonly chance: number
}

/** A question of a person about one key. */
export interface Peek {
  readonly _tag: "Peek"
  readonly id: number
  readonly key: string
}

export type Message = Call | Note | Peek | Which

export interface Reply {
  readonly id: number
  readonly answer: Answer
}

/** Where journals are kept. */
export type Place =
  | { readonly _tag: "sqlite"; readonly filename: string }
  | { readonly _tag: "postgres"; readonly url: string }

/** What a process of the storm needs to know. */
export interface Task {
  readonly place: Place
  /** The bank's unix socket. */
  readonly bank: string
  readonly seed: string
  /** Tells this process from the others of the storm. */
  readonly name: string
  readonly leaseMillis: number
  /** What `inspect` reads, and where it writes: a list of executions, and what the library says of each. */
  readonly files: { readonly executions: string; readonly reports: string }
}

/** What the library says of a stored execution. */
export interface Inspected {
  readonly executionId: string
  readonly problem?: string
  readonly status?: string
  readonly parked?: string
  readonly steps?: ReadonlyArray<{ readonly step: string; readonly status: string }>
  readonly compensations?: ReadonlyArray<{ readonly step: string; readonly status: string }>
  /** Of a parked execution, what its error says. */
  readonly error?: {
    readonly tag: string
    readonly step?: string | undefined
    readonly undone?: ReadonlyArray<string>
    readonly stands?: ReadonlyArray<string>
  }
}
