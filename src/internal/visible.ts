/**
 * A text in one line that can be seen, whatever is in it: control characters become their pictures (`␀`, `␊`, `␡`), and `�` what has
 * none, is no character, or would turn the text after it around.
 */
export const visible = (text: string): string =>
  text.replace(
    /[\p{Cc}\p{Surrogate}\p{Noncharacter_Code_Point}\u202a-\u202e\u2066-\u2069]/gu,
    (character) => {
      const code = character.charCodeAt(0)
      return code < 0x20 ? String.fromCharCode(0x2400 + code) : code === 0x7f ? "␡" : "�"
    }
  )
