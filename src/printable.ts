/** Text of somebody else's, fit to stand in one line: a name that a peer made up must not begin a line of its own, nor command a terminal. */
const UNPRINTABLE = /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]+/gu;
/** Of those, what JSON.stringify leaves as it is. */
const UNESCAPED = /[\x7f-\x9f\p{Cf}\p{Zl}\p{Zp}]/gu;
const ASCII_ONLY = /^[\0-\x7e]*$/;

/** The same text with a space where control, format and line-breaking characters were. */
export function printable(text: string): string {
  return text.replace(UNPRINTABLE, ' ');
}

/** The same JSON with those characters as \u escapes. */
export function escaped(json: string): string {
  if (ASCII_ONLY.test(json)) return json;
  return json.replace(UNESCAPED, (character) =>
    character
      .split('')
      .map((unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`)
      .join(''),
  );
}

/** At most so many UTF-16 units of it, and then a sign that there are more. */
export function shortened(text: string, length: number): string {
  return text.length <= length ? text : `${text.slice(0, length).toWellFormed()}…`;
}
