/** Suggests a known word for an unknown one. */

/** The number of wrong letters that a suggestion allows. */
const MAX_TYPOS = 2;

/** The candidate that differs by at most two letters; undefined when there is none. */
export function nearest(word: string, candidates: readonly string[]): string | undefined {
  const ranked = candidates
    .filter((candidate) => Math.abs(candidate.length - word.length) <= MAX_TYPOS)
    .map((candidate) => ({ candidate, typos: editDistance(word, candidate) }))
    .filter(({ candidate, typos }) => typos <= MAX_TYPOS && typos < candidate.length / 2)
    .sort((a, b) => a.typos - b.typos);
  return ranked[0]?.candidate;
}

/** Levenshtein's distance, row by row. */
function editDistance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, j) => j);
  for (const [i, letter] of [...a].entries()) {
    const next = [i + 1];
    for (let j = 1; j <= b.length; j++) {
      const replaced = (row[j - 1] ?? 0) + (letter === b[j - 1] ? 0 : 1);
      next.push(Math.min(replaced, (row[j] ?? 0) + 1, (next[j - 1] ?? 0) + 1));
    }
    row = next;
  }
  return row[b.length] ?? 0;
}
