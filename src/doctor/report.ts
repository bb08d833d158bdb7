/** Findings as text for people, and as JSON for programs: docs/doctor.schema.json describes the latter. */
import type { Finding, Severity } from './finding.ts';

export interface Report {
  /** Of this format. It rises when something is taken away or changes its meaning. */
  readonly version: 1;
  /** Whether nothing is broken. */
  readonly ok: boolean;
  /** The first cause first. */
  readonly findings: readonly Finding[];
}

const COLOURS: Readonly<Record<Severity, number>> = { broken: 31, warning: 33, fine: 32 };

export function reportOf(findings: readonly Finding[]): Report {
  return { version: 1, ok: findings.every(({ severity }) => severity !== 'broken'), findings };
}

/** @param coloured whether a terminal shows it, which has not asked for plain text */
export function reportText({ ok, findings }: Report, coloured: boolean): string {
  const paint = (severity: Severity, text: string) => (coloured ? `\x1b[${COLOURS[severity]}m${text}\x1b[0m` : text);
  const blocks = findings.map(({ id, severity, what, why, fix }) =>
    [
      `${paint(severity, severity.padEnd(7))}  ${what}  [${id}]`,
      ...(why === undefined ? [] : [`         why  ${why}`]),
      ...(fix === undefined ? [] : [`         fix  ${fix}`]),
    ].join('\n'),
  );
  const warnings = findings.filter(({ severity }) => severity === 'warning').length;
  const end = ok ? `Nothing is broken${warnings === 0 ? '.' : `; warnings: ${warnings}.`}` : 'Mend the first one, and ask again.';
  return `${blocks.join('\n')}\n\n${end}\n`;
}
