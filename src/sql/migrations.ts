/** The tables of the SQL store, step by step. A released migration is never changed. */
import * as Migrator from "@effect/sql/Migrator"
import * as SqlClient from "@effect/sql/SqlClient"
import { Effect } from "effect"

/**
 * One append-only table of commits, and a small one of the executions that are not finished, which triggers keep: so a
 * commit stays one statement, and finding what is pending never reads what is finished.
 */
const initial = Effect.gen(function*() {
  const sql = yield* SqlClient.SqlClient
  yield* sql`CREATE TABLE effect_saga_commit (
    execution_id TEXT NOT NULL,
    sequence INTEGER NOT NULL,
    saga TEXT NOT NULL,
    version INTEGER NOT NULL,
    status TEXT NOT NULL,
    body TEXT NOT NULL,
    PRIMARY KEY (execution_id, sequence)
  ) WITHOUT ROWID`
  yield* sql`CREATE TABLE effect_saga_unfinished (
    id INTEGER PRIMARY KEY,
    execution_id TEXT NOT NULL UNIQUE,
    saga TEXT NOT NULL,
    version INTEGER NOT NULL,
    status TEXT NOT NULL
  )`
  yield* sql`CREATE TRIGGER effect_saga_commit_first AFTER INSERT ON effect_saga_commit
    WHEN NEW.sequence = 0 AND NEW.status NOT IN ('Succeeded', 'Undone')
    BEGIN
      INSERT INTO effect_saga_unfinished (execution_id, saga, version, status)
      VALUES (NEW.execution_id, NEW.saga, NEW.version, NEW.status);
    END`
  yield* sql`CREATE TRIGGER effect_saga_commit_later AFTER INSERT ON effect_saga_commit
    WHEN NEW.sequence > 0 AND NEW.status NOT IN ('Succeeded', 'Undone')
    BEGIN
      UPDATE effect_saga_unfinished SET status = NEW.status
      WHERE execution_id = NEW.execution_id AND status <> NEW.status;
    END`
  yield* sql`CREATE TRIGGER effect_saga_commit_last AFTER INSERT ON effect_saga_commit
    WHEN NEW.sequence > 0 AND NEW.status IN ('Succeeded', 'Undone')
    BEGIN
      DELETE FROM effect_saga_unfinished WHERE execution_id = NEW.execution_id;
    END`
})

/** Brings the tables up to date. */
export const migrate = Migrator.make({})({
  table: "effect_saga_migration",
  loader: Migrator.fromRecord({ "0001_initial": initial })
})
