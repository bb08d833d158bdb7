/** What was measured, as JSON and as lines of a table. */

export interface Row {
  /** The part, and the key of the figure within it. */
  readonly name: string;
  readonly what: string;
  readonly unit: string;
  readonly measured: number;
  readonly floor: number;
  /** Of what was measured to the floor. */
  readonly ratio: number;
  readonly goal?: number;
  /** What is measured is to be no more. */
  readonly most?: number;
  /** What the ratio must not exceed, whatever the machine. */
  readonly bound?: number;
}

/** A whole run. */
export interface Report {
  readonly machine: string;
  /** True: the numbers were too small for the figures to mean anything. */
  readonly quick: boolean;
  readonly rows: readonly Row[];
  readonly failures: readonly { readonly name: string; readonly error: string }[];
}

export const HEADER = '| name | what | measured | floor | ratio | goal |\n|---|---|---|---|---|---|';

/** A row as a line of the table; its goal is a ratio, too, or a figure with its unit. */
export function rowLine({ name, what, unit, measured, floor, ratio, goal, most }: Row): string {
  const missed = (goal !== undefined && ratio > goal) || (most !== undefined && measured > most) ? ', missed' : '';
  const reached = goal !== undefined ? `≤ ${goal}${missed}` : most !== undefined ? `≤ ${most} ${unit}${missed}` : '';
  return `| ${name} | ${what} | ${figure(measured)} ${unit} | ${figure(floor)} ${unit} | ${ratio.toFixed(2)} | ${reached} |`;
}

/** The table of what changed from one run to another: ratios, which two machines have in common, then figures. */
export function comparison(before: Report, after: Report): string {
  const old = new Map(before.rows.map((row) => [row.name, row]));
  const lines = after.rows.map((row) => {
    const was = old.get(row.name);
    old.delete(row.name);
    if (was === undefined) return `| ${row.name} | | ${row.ratio.toFixed(2)} | new | | ${figure(row.measured)} ${row.unit} |`;
    const change = (row.ratio / was.ratio - 1) * 100;
    const ratios = `${was.ratio.toFixed(2)} | ${row.ratio.toFixed(2)} | ${change >= 0 ? '+' : ''}${change.toFixed(0)} %`;
    return `| ${row.name} | ${ratios} | ${figure(was.measured)} ${was.unit} | ${figure(row.measured)} ${row.unit} |`;
  });
  const gone = [...old.values()].map(
    (row) => `| ${row.name} | ${row.ratio.toFixed(2)} | | gone | ${figure(row.measured)} ${row.unit} | |`,
  );
  return ['| name | ratio before | ratio after | change | before | after |', '|---|---|---|---|---|---|', ...lines, ...gone].join(
    '\n',
  );
}

function figure(value: number): string {
  return value.toFixed(Math.abs(value) < 10 ? 2 : 0);
}
