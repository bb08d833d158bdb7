/**
 * `npm run bench:container`: what a container costs, beside the same program as a bare process of this machine. Nothing is asserted: the
 * goals stand in the table.
 */
import { execFileSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { chmodSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ContainerEngine, HARDENED } from '../support/containers/engine.ts';
import { missingForContainers } from '../support/containers/install.ts';
import { buildImages, nodeImage, RELEASE_IMAGE } from '../support/containers/stand-ins.ts';
import { TestWorkloadApi } from '../support/workload-api/test-workload-api.ts';
import { measureMemory, measureStart } from './measures.ts';
import { memoryMb } from './server-process.ts';
import { median } from './statistics.ts';
import { type Running, type Subject, sidecarSubject } from './subject.ts';

const quick = process.argv.includes('--quick');
const STARTS = quick ? 1 : 11;
const RUNS = quick ? 1 : 5;
const IDLE_MS = quick ? 100 : 3_000;
const LIMIT_MS = 600_000;

const missing = missingForContainers();
if (missing !== undefined) throw new Error(missing);
const whole = new AbortController();
whole.signal.addEventListener('abort', () => {
  throw whole.signal.reason;
});
const limit = setTimeout(() => {
  process.stderr.write(`the benchmark did not end within ${LIMIT_MS / 1000} s\n`);
  process.exit(1);
}, LIMIT_MS);
const folder = mkdtempSync(join(tmpdir(), 'spiffe-sds-bench-'));
chmodSync(folder, 0o777);
process.once('exit', () => rmSync(folder, { recursive: true, force: true }));

execFileSync('npm', ['run', '--silent', 'build'], { stdio: 'inherit' });
const engine = await ContainerEngine.open();
await buildImages(engine);
{
  await using api = await TestWorkloadApi.start({ address: `unix://${join(folder, 'workload.sock')}`, rotateEveryMs: 0 });
  const bare = sidecarSubject(folder, api, []);
  const container = containerSubject(api.address);
  const uncached = containerSubject(api.address, '--env=NODE_DISABLE_COMPILE_CACHE=1');

  const overBase = ((await engine.size(RELEASE_IMAGE)) - (await engine.size(await nodeImage()))) / 1e6;
  const ready = [
    await repeated(STARTS, async () => (await measureStart(bare, whole)).ms),
    await repeated(STARTS, async () => (await measureStart(container, whole)).ms),
    await repeated(STARTS, async () => (await measureStart(uncached, whole)).ms),
  ] as const;
  const resident = (subject: Subject) => repeated(RUNS, async () => (await measureMemory(subject, whole, IDLE_MS)).resident);
  const memory = [await resident(bare), await resident(container)] as const;
  const runtime = await emptyRun();

  print('| what | bare process | container | goal |\n|---|---|---|---|');
  print(`| image over its base | | ${overBase.toFixed(1)} MB | ≤ 15 MB |`);
  print(
    `| start to first SDS answer | ${ms(ready[0])} | ${ms(ready[1])}, so ${ms(ready[1] - ready[0])} more (${ms(runtime)} for podman to run anything) | ≤ 400 ms more |`,
  );
  print(`| the same without the compile cache | | ${ms(ready[2])} | |`);
  const more = (memory[1] / memory[0] - 1) * 100;
  print(`| resident memory, idle, one subscriber | ${mb(memory[0])} | ${mb(memory[1])}, so ${more.toFixed(1)} % more | ± 10 % |`);
}
clearTimeout(limit);

/** The image, run as the project's own documents say, with the bench's folder for both sockets. */
function containerSubject(workloadApi: string, ...options: readonly string[]): Subject {
  const socket = join(folder, 'container.sock');
  return {
    start(): Running {
      const name = `spiffe-sds-bench-${randomBytes(4).toString('hex')}`;
      const environment = [`--env=SPIFFE_ENDPOINT_SOCKET=${workloadApi}`, `--env=SPIFFE_SDS_LISTEN=unix://${socket}`];
      const args = ['run', '--rm', `--name=${name}`, ...HARDENED, `--volume=${folder}:${folder}`, ...environment, ...options];
      const child = engine.attached(...args, RELEASE_IMAGE);
      let pid: number | undefined;
      return {
        process: {
          memoryMb() {
            pid ??= Number(execFileSync('podman', ['inspect', '--format', '{{ .State.Pid }}', name], { env: engine.env }));
            return memoryMb(pid);
          },
          cpuUs: () => Number.NaN,
        },
        socket,
        publisher: () => Promise.reject(new Error('nothing is published to a container')),
        [Symbol.asyncDispose]: async () => void (await child.stop()),
      };
    },
  };
}

/** The median of so many runs. */
async function repeated(runs: number, measure: () => Promise<number>): Promise<number> {
  const values: number[] = [];
  for (let run = 0; run < runs; run++) values.push(await measure());
  return median(values);
}

/** What any container costs here: Node that ends at once, less Node itself. */
async function emptyRun(): Promise<number> {
  const times: number[] = [];
  for (let run = 0; run < RUNS; run++) {
    const begun = performance.now();
    await engine.podman('run', '--rm', ...HARDENED, '--entrypoint=/bin/true', RELEASE_IMAGE);
    times.push(performance.now() - begun);
  }
  return Math.min(...times);
}

function ms(value: number): string {
  return `${value.toFixed(0)} ms`;
}

function mb(value: number): string {
  return `${value.toFixed(1)} MB`;
}

function print(text: string): void {
  process.stdout.write(`${text}\n`);
}
