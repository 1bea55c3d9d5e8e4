/** Texts of users, as others may see them. */

/** What a terminal would obey, what is no character, and what would turn the text after it around. */
const control =
  /[\p{Cc}\p{Surrogate}\p{Noncharacter_Code_Point}\u061c\u200e\u200f\u2028\u2029\u202a-\u202e\u2066-\u2069]/gu

/** A text in one line that can be seen, whatever is in it: control characters become their pictures (`␀`, `␊`, `␡`), or `�`. */
export const visible = (text: string): string =>
  text.replace(control, (character) => {
    const code = character.charCodeAt(0)
    return code < 0x20 ? String.fromCharCode(0x2400 + code) : code === 0x7f ? "␡" : "�"
  })

/** A text in one line, with a space for each control character. */
export const printable = (text: string): string => text.replace(control, " ")

const segmenter = new Intl.Segmenter("en")

/** A text as lines of at most so many letters, which joined are the text: broken after a space where there is one. */
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
