/** Makes text from users safe to print. */

/** Control characters, surrogates and noncharacters, line separators, and controls of the writing direction. */
const control =
  /[\p{Cc}\p{Surrogate}\p{Noncharacter_Code_Point}\u061c\u200e\u200f\u2028\u2029\u202a-\u202e\u2066-\u2069]/gu

/**
 * A text as one line that neither a terminal nor a reader can take for something else: control characters become their pictures
 * (`␀`, `␊`, `␡`), or `�`. Every sentence of this library that holds a user's text is printed through it.
 */
export const visible = (text: string): string =>
  text.replace(control, (character) => {
    const code = character.charCodeAt(0)
    return code < 0x20 ? String.fromCharCode(0x2400 + code) : code === 0x7f ? "␡" : "�"
  })

/** A text as one line, with a space for each control character: for a table, and where only ASCII can be shown. */
export const printable = (text: string): string => text.replace(control, " ")

const segmenter = new Intl.Segmenter("en")

/** Breaks a text into lines of at most `width` letters, after a space if possible. The lines joined are the text. */
export const wrapped = (text: string, width: number): ReadonlyArray<string> => {
  if (text.length <= width) return [text]
  const lines: Array<string> = []
  let line: Array<string> = []
  for (const { segment } of segmenter.segment(text)) {
    line.push(segment)
    if (line.length < width) continue
    const space = line.lastIndexOf(" ")
    lines.push(line.splice(0, space === -1 ? width : space + 1).join(""))
  }
  return line.length === 0 ? lines : [...lines, line.join("")]
}
