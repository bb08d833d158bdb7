/**
 * `npm run outages [-- --only TEXT]`: takes away one part after the other from two real Envoys under load, and prints what came of it, for
 * docs/high-availability.md. Exits with 1 when requests were lost that should not have been. Node mode needs root, to be several users.
 */
import { cpus, loadavg } from 'node:os';
import process from 'node:process';
import { parseArgs } from 'node:util';
import { messageOf } from '../../src/error.ts';
import { duration, type Outage } from './outage.ts';
import { OUTAGES } from './outages.ts';

const { values } = parseArgs({ options: { only: { type: 'string', default: '' } } });
const isRoot = process.getuid?.() === 0;

// What it started ends with it.
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => process.exit(1));
print(`${cpus().length} × ${cpus()[0]?.model}, Node ${process.version}, load ${loadavg()[0]?.toFixed(1)}\n`);
print('| mode | what | requests | lost | newest certificate in both Envoys after | and |\n|---|---|---|---|---|---|');
for (const outage of OUTAGES.filter(({ name, mode }) => `${mode}: ${name}`.includes(values.only))) {
  if (outage.mode === 'node' && !isRoot) print(`| ${outage.mode} | ${outage.name} | not measured: it needs root | | | |`);
  else print(await row(outage));
}
process.exit();

async function row(outage: Outage): Promise<string> {
  const { mode, name, loses } = outage;
  try {
    const { requests, lost, caughtUpMs, more = '' } = await outage.run();
    if (lost > 0 && !loses) process.exitCode = 1;
    return `| ${mode} | ${name} | ${requests} | ${lost} | ${caughtUpMs === undefined ? '' : duration(caughtUpMs)} | ${more} |`;
  } catch (error) {
    process.exitCode = 1;
    return `| ${mode} | ${name} | failed: ${messageOf(error)} | | | |`;
  }
}

function print(text: string): void {
  process.stdout.write(`${text}\n`);
}
