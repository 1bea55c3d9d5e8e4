/**
 * The bank: the other side of every effect, and the ledger of the storm. It lives in the process that makes the storm, which nobody
 * kills, and knows nothing of the library. It honours keys as a payment service does: what has happened under a key
 * happens once, and is answered the same way whenever it is asked for again. An effect happens in the moment in which the request
 * arrives; the answer may take its time, or never come.
 */
import { createWriteStream } from "node:fs"
import { createServer, type Socket } from "node:net"
import { createInterface } from "node:readline"
import type { Answer, Call, Message, Note, Peek, Which } from "./messages.ts"
import { chanceOf } from "./random.ts"

/** One line of the ledger. Lines are numbered in the order in which they arrived. */
export interface Line {
  readonly sequence: number
  /** Epoch milliseconds. */
  readonly at: number
  /** The process that said it. */
  readonly process: number
  readonly said: Call | Note
  /** Of a call: what it came to. */
  came?: Came
}

interface Came {
  /** `"took"`: it changed the world. `"known"`: it had done so before. */
  readonly effect: "took" | "known" | "nothing"
  readonly answer: Answer | "lost"
  /** When the answer was sent. */
  endedAt?: number
  /** Another process had claimed the execution before the call arrived. */
  readonly late: boolean
}

/** An effect in the world. */
export interface Effect {
  readonly key: string
  readonly receipt: string
  readonly executionId: string
  readonly step: string
  readonly took: Line
  undone?: Line
}

export class Bank {
  readonly lines: Array<Line> = []
  /** By the key of the action. */
  readonly effects = new Map<string, Effect>()
  /** Nothing goes wrong any more, but for what is refused for good. */
  isCalm = false
  onReady: (process: number) => void = () => {}
  private readonly seed: string
  private readonly calls = new Map<string, number>()
  /** The highest claim of each execution that the bank has heard of. */
  private readonly fences = new Map<string, number>()
  /** The executions that it has heard of, oldest first. */
  private readonly executions = new Set<string>()
  private readonly sockets = new Set<Socket>()
  private readonly log
  private readonly server

  constructor(seed: string, socketPath: string, logFile: string) {
    this.seed = seed
    this.log = createWriteStream(logFile)
    this.server = createServer((socket) => this.serve(socket)).listen(socketPath)
  }

  close() {
    for (const socket of this.sockets) socket.destroy()
    this.server.close()
    this.log.end()
  }

  private serve(socket: Socket) {
    this.sockets.add(socket)
    let process = 0
    socket.on("error", () => {})
    socket.on("close", () => this.sockets.delete(socket))
    // It passes on the errors of its input.
    createInterface({ input: socket }).on("error", () => {}).on("line", (text) => {
      const message = parse(text)
      if (message === undefined) return
      switch (message._tag) {
        case "Ready":
          process = message.process
          this.onReady(process)
          return
        case "Peek":
          return reply(socket, message, this.peek(message.key))
        case "Which":
          return reply(socket, message, this.which(message.chance))
        case "Call":
          return this.handle(socket, process, message)
        case "Claimed":
          this.fences.set(message.executionId, Math.max(message.fence, this.fences.get(message.executionId) ?? 0))
          break
        case "Ended":
        case "Recovered":
        case "Begun":
        case "Asking":
        case "Asked":
          break
      }
      this.write(process, message)
    })
  }

  private write(process: number, said: Line["said"]): Line {
    const line: Line = { sequence: this.lines.length, at: Date.now(), process, said }
    this.lines.push(line)
    return line
  }

  private peek(key: string): Answer {
    const effect = this.effects.get(key)
    return effect === undefined || effect.undone !== undefined
      ? { _tag: "None" }
      : { _tag: "Done", receipt: effect.receipt }
  }

  private which(chance: number): Answer {
    const { size } = this.executions
    const receipt = Array.from(this.executions)[Math.floor(size * (1 - chance ** 4))]
    return receipt === undefined ? { _tag: "None" } : { _tag: "Done", receipt }
  }

  private handle(socket: Socket, process: number, call: Call) {
    const line = this.write(process, call)
    this.executions.add(call.executionId)
    const late = (this.fences.get(call.executionId) ?? 0) > call.fence
    const count = (this.calls.get(call.key + call.role) ?? 0) + 1
    this.calls.set(call.key + call.role, count)
    const isTooLate = call.deadline !== undefined && line.at > call.deadline
    const { answer, effect } = isTooLate
      ? { effect: "nothing" as const, answer: { _tag: "TooLate" as const } }
      : this[call.role](line, call, (what) => chanceOf(`${this.seed} ${call.key} ${call.role} ${what} ${count}`))
    line.came = { effect, answer, late }
    this.log.write(JSON.stringify(line) + "\n")
    if (answer === "lost") return
    const slowness = chanceOf(`${this.seed} ${call.key} ${call.role} slowness ${count}`)
    setTimeout(() => {
      line.came!.endedAt = Date.now()
      reply(socket, call, answer)
    }, slowness > 0.97 ? 400 * chanceOf(call.key) : 12 * slowness)
  }

  private do(line: Line, call: Call, chance: (what: string) => number): Pick<Came, "effect" | "answer"> {
    const { busy = 0, dead = 0, lost = 0, refused = 0, unknown = 0 } = this.isCalm
      ? { refused: call.odds.refused }
      : call.odds
    const known = this.effects.get(call.key)
    if (known === undefined) {
      // The same answer each time, as a service gives that keeps its answers by key.
      if (chanceOf(`${this.seed} ${call.key} refused`) < refused) return nothing("Refused")
      if (chance("busy") < busy) return nothing("Busy")
      if (chance("dead") < dead) return nothing("Dead")
      const isBefore = chance("before") < 0.5
      if (isBefore && chance("unknown") < unknown) return nothing("Unknown")
      if (isBefore && chance("lost") < lost) return { effect: "nothing", answer: "lost" }
      const { executionId, key, step } = call
      this.effects.set(key, { key, executionId, step, receipt: `receipt ${line.sequence}`, took: line })
    }
    const effect = known === undefined ? "took" : "known"
    if (chance("unknown") < unknown) return { effect, answer: { _tag: "Unknown" } }
    if (chance("lost") < lost) return { effect, answer: "lost" }
    return { effect, answer: { _tag: "Done", receipt: this.effects.get(call.key)!.receipt } }
  }

  private undo(line: Line, call: Call, chance: (what: string) => number): Pick<Came, "effect" | "answer"> {
    const { busy = 0, lost = 0, stubborn = 0 } = this.isCalm ? {} : call.odds
    const effect = this.effects.get(call.actionKey)
    if (effect?.undone === undefined) {
      const patience = chanceOf(`${this.seed} ${call.key} stubborn`)
      // Of those that are stubborn some give in at the second call, others at the seventh.
      if (patience < stubborn && this.calls.get(call.key + call.role)! < 2 + (5 * patience) / stubborn) {
        return nothing("Busy")
      }
      if (chance("busy") < busy) return nothing("Busy")
    }
    const came = effect === undefined ? "nothing" : effect.undone === undefined ? "took" : "known"
    if (effect !== undefined) effect.undone ??= line
    return { effect: came, answer: chance("lost") < lost ? "lost" : { _tag: "Done", receipt: "undone" } }
  }

  private verify(_: Line, call: Call, chance: (what: string) => number): Pick<Came, "effect" | "answer"> {
    const { unknown = 0 } = this.isCalm ? {} : call.odds
    return chance("unknown") < unknown ? nothing("Unknown") : { effect: "nothing", answer: this.peek(call.key) }
  }
}

const nothing = (tag: Exclude<Answer["_tag"], "Done">) => ({ effect: "nothing" as const, answer: { _tag: tag } })

/** Of a process that was killed the last line may be half a line: it has said nothing. */
const parse = (text: string): Message | undefined => {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}

const reply = (socket: Socket, { id }: Call | Peek | Which, answer: Answer) => {
  if (!socket.destroyed) socket.write(JSON.stringify({ id, answer }) + "\n")
}
