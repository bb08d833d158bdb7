/** Patterns of names: `*` matches any number of any characters. As in DNS, upper and lower case are equal. */

/** Whether a name matches. */
export type NameMatcher = (name: string) => boolean;

/** Makes a function that checks whether a name matches at least one of the patterns. */
export function matcherOf(patterns: readonly string[]): NameMatcher {
  const lowerCase = patterns.map((pattern) => pattern.toLowerCase().split('*'));
  return (name) => lowerCase.length > 0 && lowerCase.some((parts) => matches(parts, name.toLowerCase()));
}

/** Finds the literal parts in order. This takes linear time, so a peer cannot slow it down with a special name. */
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
