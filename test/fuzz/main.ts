/**
 * `npm run fuzz [-- --seed N --runs N]`: attacks a sidecar, and tells what to repeat when it minds. A first word names another search, in a
 * folder of its own: `npm run fuzz -- certificates`, `npm run fuzz -- crls`.
 */
import process from 'node:process';
import { parseArgs } from 'node:util';
import { fuzz } from './fuzz.ts';

const SEARCHES: Readonly<Record<string, () => Promise<unknown>>> = {
  certificates: () => import('./certificates/main.ts'),
  crls: () => import('./crls/main.ts'),
};
const TOLD_EVERY = 10_000;

await (SEARCHES[process.argv[2] ?? ''] ?? attack)();

async function attack(): Promise<void> {
  const { values } = parseArgs({
    options: { seed: { type: 'string', default: String(Date.now() % 1_000_000) }, runs: { type: 'string', default: '100000' } },
  });
  const [seed, runs] = [Number(values.seed), Number(values.runs)];
  process.stdout.write(`seed ${seed}, ${runs} runs\n`);
  const { rotations, memoryMb } = await fuzz({
    seed,
    runs,
    progress: (done, mb) => done % TOLD_EVERY === 0 && process.stdout.write(`${done}: ${mb.toFixed()} MB\n`),
  });
  process.stdout.write(
    `alive and well; ${rotations} rotations arrived; memory after warm-up ${memoryMb.before.toFixed()} MB, in the end ${memoryMb.after.toFixed()} MB\n`,
  );
}
