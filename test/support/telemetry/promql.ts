/** Reads PromQL as far as the tests of rules and dashboard need it. */

const STRINGS = /"(?:[^"\\]|\\.)*"/g;
const SELECTIONS = /\{[^}]*\}|\[[^\]]*\]|\boffset\s+\w+|\b(?:by|without|on|ignoring)\s*\([^)]*\)/g;
const WORDS = /\b[a-z_]\w*\b(?!\s*\()/gi;
const OPERATORS = new Set(['and', 'or', 'unless', 'bool', 'sum', 'min', 'max', 'count']);

/** The metrics that an expression names, each once, in order. */
export function metricsOf(expression: string): readonly string[] {
  const bare = expression.replace(STRINGS, '').replace(SELECTIONS, '');
  return [...new Set([...bare.matchAll(WORDS)].map(([word]) => word).filter((word) => !OPERATORS.has(word)))];
}
