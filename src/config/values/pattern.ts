/** Patterns of names: `*` stands for any number of any characters, upper and lower case are the same, as in DNS. */

export type NameMatcher = (name: string) => boolean;

/** A function that tells whether one of the patterns matches. */
export function matcherOf(patterns: readonly string[]): NameMatcher {
  const lowerCase = patterns.map((pattern) => pattern.toLowerCase().split('*'));
  return (name) => lowerCase.length > 0 && lowerCase.some((parts) => matches(parts, name.toLowerCase()));
}

/** Literal parts one after the other: linear, whatever a peer puts into a name. */
function matches([first = '', ...rest]: readonly string[], name: string): boolean {
  const last = rest.pop();
  if (last === undefined) return name === first;
  if (!name.startsWith(first) || !name.endsWith(last) || name.length < first.length + last.length) return false;
  let at = first.length;
  for (const part of rest) {
    const found = name.indexOf(part, at);
    if (found === -1) return false;
    at = found + part.length;
  }
  return at <= name.length - last.length;
}
