/** Patterns of names: `*` matches any number of any characters. */

/** Whether a name matches. */
export type NameMatcher = (name: string) => boolean;

/** Makes a function that checks whether a name matches at least one of the patterns. As in DNS, upper and lower case are equal. */
export function matcherOf(patterns: readonly string[]): NameMatcher {
  const lowerCase = exactMatcherOf(patterns.map((pattern) => pattern.toLowerCase()));
  return (name) => patterns.length > 0 && lowerCase(name.toLowerCase());
}

/** The same, but upper and lower case differ, as they do in the paths of SPIFFE IDs. */
export function exactMatcherOf(patterns: readonly string[]): NameMatcher {
  const parts = patterns.map((pattern) => pattern.split('*'));
  return (name) => parts.some((one) => matches(one, name));
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
