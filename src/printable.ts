/** Text of somebody else's, fit to stand in one line: a name that a peer made up must not begin a line of its own, nor command a terminal. */
const UNPRINTABLE = /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]+/gu;
/** Of those, what JSON.stringify leaves as it is. */
const UNESCAPED = /[\x7f-\x9f\p{Cf}\p{Zl}\p{Zp}]/gu;
const MAX_QUOTED = 200;
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

/** The text in double quotes, for a message. Only the first 200 UTF-16 units are shown. */
export function quoted(text: string): string {
  return JSON.stringify(text.length > MAX_QUOTED ? `${text.slice(0, MAX_QUOTED)}…` : text);
}

/** The value as JSON, for a message: at most `length` characters; `missing` when it is undefined. */
export function quotedValue(value: unknown, length: number): string {
  return (JSON.stringify(value) ?? 'missing').slice(0, length);
}

/** At most so many UTF-16 units of it, and then a sign that there are more. */
export function shortened(text: string, length: number): string {
  return text.length <= length ? text : `${text.slice(0, length).toWellFormed()}…`;
}
