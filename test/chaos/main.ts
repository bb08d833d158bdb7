/**
 * `npm run chaos [-- --part raw|silent|envoys --seed N --minutes M | --short]`: bad hours for a sidecar, and a table of what was done and
 * what was lost. Exits with 1 when anything was.
 */
import process from 'node:process';
import { parseArgs } from 'node:util';
import { chaos, LONG, PARTS, SHORT } from './chaos.ts';

const { values } = parseArgs({
  options: {
    part: { type: 'string' },
    seed: { type: 'string' },
    minutes: { type: 'string' },
    short: { type: 'boolean', default: false },
  },
});
const parts = PARTS.filter((part) => values.part === undefined || part === values.part);
if (parts.length === 0) throw new Error(`--part ${values.part}: there is ${PARTS.join(', ')}`);
const seed = Number(values.seed ?? Date.now() % 1_000_000);
const defaults = values.short ? SHORT : LONG;
const minutes = Number(values.minutes ?? defaults.minutes);
/** For what is under way when the time is over. */
const GRACE_MINUTES = 2;

// What it started ends with it.
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => process.exit(1));
const limit = setTimeout(
  () => {
    process.stderr.write(`it did not end in time (--seed ${seed})\n`);
    process.exit(1);
  },
  (minutes + GRACE_MINUTES) * 60_000,
);
print(`${parts.join(', ')}: seed ${seed}, ${minutes} minutes`);
const { rows, lost } = await chaos({ ...defaults, parts, seed, minutes }, print);
clearTimeout(limit);
print('\n| what | how much |\n|---|---|');
for (const [what, value] of rows) print(`| ${what} | ${value} |`);
for (const one of lost) print(`LOST: ${one}`);
if (lost.length > 0) {
  const part = values.part === undefined ? '' : `--part ${values.part} `;
  print(`repeat with ${part}--seed ${seed} --minutes ${minutes}${values.short ? ' --short' : ''}`);
  process.exitCode = 1;
}

function print(text: string): void {
  process.stdout.write(`${text}\n`);
}
