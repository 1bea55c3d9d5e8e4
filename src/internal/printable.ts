/** A text in one line, and without anything that a terminal would obey, or that would turn what follows around. */
export const printable = (text: string): string =>
  text.replace(/[\p{Cc}\u2028\u2029\u202a-\u202e\u2066-\u2069]+/gu, " ")
