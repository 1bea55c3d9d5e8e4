/** The driver that `@effect/sql-pg` brings, which has no types of its own: as much of it as is used here. */
export interface Client {
  readonly query: (
    statement: string | { readonly name: string; readonly text: string; readonly values: ReadonlyArray<unknown> }
  ) => Promise<{ readonly rows: ReadonlyArray<Record<string, unknown>> }>
  readonly end: () => Promise<void>
}

interface Driver {
  readonly Client: new(options: { connectionString: string }) => Client & { readonly connect: () => Promise<void> }
  readonly Pool: new(options: { connectionString: string }) => Client
}

const load = async (): Promise<Driver> => (await import("pg" as string)).default

export const connect = async (connectionString: string): Promise<Client> => {
  const { Client } = await load()
  const client = new Client({ connectionString })
  await client.connect()
  return client
}

/** Up to 10 connections, which is the default of `pg`, `@effect/sql-pg` and DBOS alike. */
export const pool = async (connectionString: string): Promise<Client> => {
  const { Pool } = await load()
  return new Pool({ connectionString })
}
