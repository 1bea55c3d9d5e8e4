import "../values/effectVersion.ts"
/** Stores journals through any `@effect/sql` `SqlClient`. */
export * as SqlCheckpoint from "./SqlCheckpoint.ts"
