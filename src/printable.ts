/** Makes the text of others safe for one line: a name that a peer invents must not start a new line, nor control a terminal. */
const UNPRINTABLE = /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]+/gu;
/** Those among them that JSON.stringify does not escape. */
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
  return JSON.stringify(shortened(text, MAX_QUOTED));
}

/** The value as JSON, for a message: at most `length` characters; `missing` when it is undefined. */
export function quotedValue(value: unknown, length: number): string {
  return (JSON.stringify(value) ?? 'missing').slice(0, length);
}

/** At most `length` UTF-16 units of the text, with `…` after them when there were more. */
export function shortened(text: string, length: number): string {
  return text.length <= length ? text : `${text.slice(0, length).toWellFormed()}…`;
}

/** The first `most` names, and how many there are beside them. */
export function listed(
  most: number,
  names: readonly string[],
  shown: (name: string) => string = (name) => name,
  separator = ', ',
): string {
  const text = names.slice(0, most).map(shown).join(separator);
  return names.length > most ? `${text} and ${names.length - most} more` : text;
}
