/** What `doctor` says of one thing: a stable id, how bad it is, and the mend. */

/** `broken`: something does not work, or trusts nobody it should. `warning`: it works, and will not always. `fine`: it was looked at. */
export type Severity = 'broken' | 'warning' | 'fine';

export interface Finding {
  /** Stable: `part.what`. */
  readonly id: string;
  readonly severity: Severity;
  readonly what: string;
  /** Why it matters; absent of what is fine. */
  readonly why?: string;
  /** A command, or a line of configuration; absent of what is fine. */
  readonly fix?: string;
}

/** A finding, and what else would explain it: it is told only when none of that was found. */
export interface Suspicion extends Finding {
  /** Ids, or beginnings of ids that end with a point. */
  readonly explainedBy?: readonly string[];
}

const RANK: Readonly<Record<Severity, number>> = { broken: 0, warning: 1, fine: 2 };

/**
 * The causes first, without what only follows from them.
 * @param suspicions in the order of the way from the Workload API to Envoy
 */
export function diagnose(suspicions: readonly Suspicion[]): readonly Finding[] {
  // A circle of explanations must not hide them all: each is held against causes that stand already.
  const causes = new Set(suspicions.filter(({ explainedBy }) => explainedBy === undefined));
  for (const suspicion of suspicions) {
    const { explainedBy = [] } = suspicion;
    const standing = [...causes].filter((other) => other !== suspicion && other.severity !== 'fine');
    if (!explainedBy.some((cause) => standing.some(({ id }) => id !== suspicion.id && isOf(id, cause)))) causes.add(suspicion);
  }
  const seen = new Set<string>();
  return suspicions
    .filter((suspicion) => causes.has(suspicion))
    .map(({ explainedBy: _, ...finding }) => finding)
    .filter(({ id, what }) => {
      const key = `${id}\0${what}`;
      return !seen.has(key) && seen.add(key) !== undefined;
    })
    .toSorted((a, b) => RANK[a.severity] - RANK[b.severity]);
}

function isOf(id: string, cause: string): boolean {
  return cause.endsWith('.') ? id.startsWith(cause) : id === cause;
}
