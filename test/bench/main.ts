/**
 * `npm run bench`: builds the release, measures it beside a bare HTTP/2 server that sends as many bytes, and prints a table. The ratio to
 * that floor is what counts: both are measured in the same run, in turn.
 *
 * --only NAME       parts whose name begins so; may be repeated
 * --json FILE       the same, as JSON
 * --guard           the few parts whose ratios must not pass a bound; fails when one does three times
 * --quick           small numbers, to see that the suite works
 * --compare A B     what changed between two such files; measures nothing
 */
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { cpus, loadavg, tmpdir } from 'node:os';
import { join } from 'node:path';
import process from 'node:process';
import { parseArgs } from 'node:util';
import { GUARDED } from './parts.ts';
import { comparison, HEADER, type Report, type Row, rowLine } from './report.ts';
import { Suite } from './suite.ts';

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    only: { type: 'string', multiple: true },
    json: { type: 'string' },
    guard: { type: 'boolean', default: false },
    quick: { type: 'boolean', default: false },
    compare: { type: 'boolean', default: false },
  },
});
if (values.compare) {
  const [before, after] = positionals.map((file) => JSON.parse(readFileSync(file, 'utf8')) as Report);
  if (before === undefined || after === undefined) throw new Error('--compare needs two files that --json wrote');
  print(comparison(before, after));
} else {
  if (positionals.length > 0)
    throw new Error(`nothing is known about ${positionals.join(' ')}: see the options in test/bench/main.ts`);
  await run();
}

async function run(): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), 'spiffe-sds-bench-'));
  process.once('exit', () => rmSync(folder, { recursive: true, force: true }));
  const first = new Suite(folder, values.quick, values.guard ? GUARDED : values.only);
  execFileSync('npm', ['run', '--silent', 'build'], { stdio: 'inherit' });
  const load = loadavg()[0]?.toFixed(1);
  const machine = `${cpus().length} × ${cpus()[0]?.model}, Node ${process.version}, ${process.platform}/${process.arch}, load ${load}`;
  if (values.quick) print('Small numbers: this shows that the suite works, and nothing else.');
  print(`${machine}\n\n${HEADER}`);
  const { rows, failures } = await measure(first);
  const report: Report = { machine, quick: values.quick, rows, failures };
  if (values.json !== undefined) writeFileSync(values.json, `${JSON.stringify(report, null, 2)}\n`);
  const isGood = failures.length === 0 && (!values.guard || (await keepsBounds(folder, rows)));
  // A part that hung left something behind that waits.
  process.exit(isGood ? 0 : 1);
}

async function measure(suite: Suite): Promise<Pick<Report, 'rows' | 'failures'>> {
  const rows: Row[] = [];
  const failures: Report['failures'][number][] = [];
  for await (const { name, outcome } of suite.run()) {
    if (outcome instanceof Error) {
      failures.push({ name, error: outcome.message });
      print(`| ${name} | failed: ${outcome.message} | | | | |`);
      continue;
    }
    rows.push(...outcome);
    for (const row of outcome) print(rowLine(row));
  }
  return { rows, failures };
}

/** What is beyond its bound is measured again: other work on the machine may be to blame, and is not three times. */
async function keepsBounds(folder: string, rows: readonly Row[], triesLeft = 2): Promise<boolean> {
  const beyond = rows.filter(({ ratio, bound }) => bound !== undefined && ratio > bound);
  for (const { name, ratio, bound } of beyond) print(`${name} is ${ratio.toFixed(2)} times the floor, the bound is ${bound}`);
  if (beyond.length === 0) return true;
  if (triesLeft === 0) return false;
  const parts = [...new Set(beyond.map(({ name }) => name.split(':', 1)[0] ?? name))];
  const again = await measure(new Suite(folder, values.quick, parts));
  const names = new Set(beyond.map(({ name }) => name));
  return (
    again.failures.length === 0 &&
    keepsBounds(
      folder,
      again.rows.filter(({ name }) => names.has(name)),
      triesLeft - 1,
    )
  );
}

function print(text: string): void {
  process.stdout.write(`${text}\n`);
}
