/**
 * An empty list that is no literal.
 *
 * Whatever is made for each execution and lives until its next commit is of a class, or made by a function: V8 notes of every
 * literal how many of its values outlive a collection, and where many executions wait at once it comes to make them in the
 * old generation, where each keeps alive all that it refers to. That cost a durable saga as much as its steps did.
 */
export const emptyList = <A>(): Array<A> => Array.of<A>()
