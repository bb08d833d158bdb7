/** Text of somebody else's, fit to stand in one line: a name that a peer made up must not begin a line of its own, nor command a terminal. */
const UNPRINTABLE = /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]+/gu;

/** The same text with a space where control, format and line-breaking characters were. */
export function printable(text: string): string {
  return text.replace(UNPRINTABLE, ' ');
}
