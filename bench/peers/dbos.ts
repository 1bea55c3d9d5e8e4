/** DBOS, which is not among the dependencies. Its steps are recorded, those that undo as well, which the workflow calls by hand. */
import { inputOf, price } from "../order.ts"
import { expectCounts, inLoops, type Peer, reservations, steps } from "./peer.ts"

const name = "@dbos-inc/dbos-sdk"

/** It would print the stack of each step that fails, which costs more than the step. */
const silent = { debug: () => {}, info: () => {}, warn: () => {}, error: () => {} }

/** As much of it as is used here. */
interface Sdk {
  readonly DBOS: {
    readonly setConfig: (config: { name: string; systemDatabaseUrl: string; logger: typeof silent }) => void
    readonly launch: () => Promise<void>
    readonly shutdown: () => Promise<void>
    readonly registerWorkflow: <A, B>(
      run: (input: A) => Promise<B>,
      options: { name: string }
    ) => (input: A) => Promise<B>
    readonly startWorkflow: <A, B>(
      workflow: (input: A) => Promise<B>,
      options: { workflowID: string }
    ) => (input: A) => Promise<{ readonly getResult: () => Promise<B> }>
    readonly runStep: <A>(run: () => Promise<A>, options: { name: string }) => Promise<A>
  }
}

/** Why it cannot be measured, if so. */
export const missing = (): string | undefined => {
  try {
    import.meta.resolve(name)
    return undefined
  } catch {
    return `DBOS is left out: it is not installed. \`npm install --no-save ${name}@5.3.0\` adds it until ` +
      "the next `npm install`."
  }
}

const order = ({ DBOS }: Sdk) => {
  const step = <A>(name: string, run: () => A) => DBOS.runStep(async () => run(), { name })
  return DBOS.registerWorkflow(async (input: ReturnType<typeof inputOf>) => {
    const undos: Array<() => Promise<void>> = []
    try {
      for (const reservation of reservations) {
        await step(reservation, () => steps.reserve(reservation, input.seats))
        undos.push(() => step(`undo ${reservation}`, steps.release))
      }
      const quote = await step("quote", () => price)
      return await step("charge", () => {
        if (input.declined) throw new Error("declined")
        return steps.charge(quote)
      })
    } catch (error) {
      for (const undo of undos.slice().reverse()) await undo()
      throw error
    }
  }, { name: "Order" })
}

export const openDbos = async (url: string): Promise<Peer> => {
  const sdk: Sdk = await import(name)
  const workflow = order(sdk)
  sdk.DBOS.setConfig({ name: "bench", systemDatabaseUrl: url, logger: silent })
  await sdk.DBOS.launch()
  return {
    drive: inLoops(async (declined) => {
      const workflowID = crypto.randomUUID()
      const handle = await sdk.DBOS.startWorkflow(workflow, { workflowID })(inputOf(declined))
      const result = await handle.getResult().catch((error: Error) => error.message)
      if (result !== (declined ? "declined" : `paid ${price}`)) throw new Error(`${workflowID} ended with ${result}`)
    }),
    check: ({ declined, succeeded }) =>
      expectCounts(url, {
        "dbos.workflow_status": succeeded + declined,
        "dbos.workflow_status WHERE status = 'SUCCESS'": succeeded,
        "dbos.workflow_status WHERE status = 'ERROR'": declined,
        "dbos.operation_outputs": succeeded * 5 + declined * 8
      }),
    close: () => sdk.DBOS.shutdown()
  }
}
