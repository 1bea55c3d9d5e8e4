import "../values/effectVersion.ts"
/** Stores journals in a SQLite file. */
export * as SqliteCheckpoint from "./SqliteCheckpoint.ts"
