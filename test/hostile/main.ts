/**
 * `npm run hostile [-- --family bytes|names|calls|frames --only TEXT --part attacks|limit --seconds N --memory-mb N --streams N]`: each attack on a sidecar of its own, then all of them one after the other on one that has a
 * memory limit. Prints the table of docs/reliability.md. Needs the release: `npm run build`.
 */
import process from 'node:process';
import { parseArgs } from 'node:util';
import { ATTACKS, FAMILIES } from './attacks.ts';
import { memoryLimit } from './memory-limit.ts';
import { DEFAULT_SIEGE, type SiegeReport, siege } from './siege.ts';
import { Target } from './target.ts';

const MIB = 1024 * 1024;
const { values } = parseArgs({
  options: {
    only: { type: 'string' },
    family: { type: 'string' },
    seconds: { type: 'string', default: String(DEFAULT_SIEGE.attackSeconds) },
    'memory-mb': { type: 'string', default: '160' },
    part: { type: 'string' },
    streams: { type: 'string' },
  },
});
const options = { ...DEFAULT_SIEGE, attackSeconds: Number(values.seconds) };
const chosen = values.family === undefined ? ATTACKS : (FAMILIES[values.family] ?? {});
const names = Object.keys(chosen).filter((name) => values.only === undefined || name.includes(values.only));
const ofTarget = values.streams === undefined ? {} : { streams: Number(values.streams) };
let failed = false;

if (values.part !== 'limit') await oneByOne();
if (values.part !== 'attacks') await underLimit();
process.exit(failed ? 1 : 0);

async function oneByOne(): Promise<void> {
  process.stdout.write(
    '| attack | before, MB | most, MB | growth | back after, s | p99 before, ms | p99 during, ms | log lines | audit lines | of deliveries |\n|---|---|---|---|---|---|---|---|---|---|\n',
  );
  for (const name of ['(none)', ...names]) {
    await using target = await Target.start(ofTarget);
    try {
      tell(name, await siege(target, name === '(none)' ? [] : [name], options));
    } catch (error) {
      failed = true;
      process.stdout.write(`| ${name} | **${String(error)}**${target.alive ? '' : ', dead'} |\n`);
    }
  }
}

function tell(name: string, { alive, before, peak, backAfter, p99Before, p99During, ...told }: SiegeReport): void {
  if (!alive) failed = true;
  const back = backAfter === undefined ? '**not in 60**' : backAfter.toFixed();
  const cells = [before.toFixed(), peak.toFixed(), `+${Math.max(0, peak - before).toFixed()}`, back];
  const more = [p99Before.toFixed(), p99During.toFixed(), told.logLines, told.auditLines, told.deliveries];
  process.stdout.write(`| ${name}${alive ? '' : ' **dead**'} | ${[...cells, ...more].join(' | ')} |\n`);
}

async function underLimit(): Promise<void> {
  const megabytes = Number(values['memory-mb']);
  using limit = memoryLimit(megabytes * MIB);
  if (limit === undefined) process.stdout.write('no cgroup can be made here: resident memory is looked at instead\n');
  await using target = await Target.start({ ...ofTarget, onStart: (pid) => limit?.hold(pid) });
  const kept = () => (limit === undefined ? 'by looking at it' : `by ${limit.kept}, which killed ${limit.kills} times`);
  let most = 0;
  for (const name of names) {
    let late: unknown;
    try {
      const { peak } = await siege(target, [name], { ...options, attackSeconds: 1, recoverySeconds: 0 });
      most = Math.max(most, peak);
      process.stdout.write(`${name}: ${peak.toFixed()} MB\n`);
    } catch (error) {
      late = error;
    }
    if (target.alive && late === undefined && (limit !== undefined || most <= megabytes)) continue;
    failed = true;
    process.stdout.write(`ended by "${name}" (${String(late ?? 'dead')}), kept ${kept()}\n${target.log.slice(-1_000)}\n`);
    return;
  }
  process.stdout.write(
    `\n${names.length} attacks one after the other with ${megabytes} MB, kept ${kept()}: alive, ${most.toFixed()} MB resident at most\n`,
  );
}
