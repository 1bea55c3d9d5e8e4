/** Brings the tables up to date, step by step. A released migration is never changed. */
import * as Migrator from "@effect/sql/Migrator"
import * as SqlClient from "@effect/sql/SqlClient"
import { Effect } from "effect"
import type { Dialect } from "./dialect.ts"

export const migrate = (dialect: Dialect) =>
  Migrator.make({})({
    table: "effect_saga_migration",
    loader: Migrator.fromRecord({
      "0001_initial": Effect.flatMap(
        SqlClient.SqlClient,
        (sql) => Effect.forEach(dialect.tables, (statement) => sql.unsafe(statement), { discard: true })
      )
    })
  })
