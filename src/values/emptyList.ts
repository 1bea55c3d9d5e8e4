/**
 * An empty array that is not a literal.
 *
 * Values that are made for each execution and live until its next commit are instances of a class, or come from a function. V8 counts
 * for every literal how many of its values outlive a collection. When many executions wait at once, it starts to make them in the
 * old generation, where each keeps alive everything that it refers to. That cost a durable saga as much as its steps.
 */
export const emptyList = <A>(): Array<A> => Array.of<A>()
