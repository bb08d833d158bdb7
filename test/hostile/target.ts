/** The release with its default configuration, a Workload API before it and a good client behind it, and what can be seen of them. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { mkdtempDisposable, writeFile } from 'node:fs/promises';
import { request } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import process from 'node:process';
import { leafOf } from '../conformance/read.ts';
import { SdsClient, type SdsStream } from '../support/sds/sds-client.ts';
import { within } from '../support/within.ts';
import { TestWorkloadApi } from '../support/workload-api/test-workload-api.ts';

const RELEASE = join(import.meta.dirname, '..', '..', 'dist', 'main.js');
const SOURCE = join(import.meta.dirname, '..', '..', 'src', 'cli', 'main.ts');
/** As the image has them. */
const FLAGS = ['--disable-sigusr1', '--max-semi-space-size=2'];
const WORKLOAD = 'spiffe://example.org/workload';
const PATIENCE_MS = 30_000;
const SAMPLE_MS = 20;

export interface TargetOptions {
  /** The bundle of `npm run build`, or what it is made of. Default: the bundle. */
  readonly program?: 'release' | 'source';
  /** `sds.limits.streams_per_connection`; absent: the default. */
  readonly streams?: number;
  /** Called with its pid as soon as there is one. */
  readonly onStart?: (pid: number) => void;
}

export class Target implements AsyncDisposable {
  readonly socket: string;
  readonly #admin: string;
  readonly #child: ChildProcess;
  readonly #api: TestWorkloadApi;
  readonly #witness: SdsStream;
  readonly #stack: AsyncDisposableStack;
  readonly #written: { readonly log: string; readonly audit: string };
  #peak = 0;

  private constructor(parts: {
    socket: string;
    admin: string;
    child: ChildProcess;
    api: TestWorkloadApi;
    witness: SdsStream;
    stack: AsyncDisposableStack;
    written: { readonly log: string; readonly audit: string };
  }) {
    this.socket = parts.socket;
    this.#admin = parts.admin;
    this.#child = parts.child;
    this.#api = parts.api;
    this.#witness = parts.witness;
    this.#stack = parts.stack;
    this.#written = parts.written;
    const sampling = setInterval(() => {
      this.#peak = Math.max(this.#peak, this.alive ? this.memoryMb() : 0);
    }, SAMPLE_MS);
    this.#stack.defer(() => clearInterval(sampling));
  }

  static async start({ program = 'release', streams, onStart }: TargetOptions = {}): Promise<Target> {
    await using stack = new AsyncDisposableStack();
    const folder = stack.use(await mkdtempDisposable(join(tmpdir(), 'hostile-'))).path;
    const socket = join(folder, 'sds.sock');
    const admin = join(folder, 'admin.sock');
    const api = stack.use(await TestWorkloadApi.start({ address: `unix://${join(folder, 'workload.sock')}`, rotateEveryMs: 0 }));
    const limits = streams === undefined ? '{}' : `{ streams_per_connection: ${streams} }`;
    const configuration = join(folder, 'spiffe-sds.yaml');
    await writeFile(configuration, `sds: { limits: ${limits} }\n`);
    const inherited = Object.entries(process.env).filter(([name]) => !/^(SPIFFE_|OTEL_|NODE_|NOTIFY_)/.test(name));
    const child = spawn(process.execPath, [...FLAGS, program === 'release' ? RELEASE : SOURCE, 'serve'], {
      env: {
        ...Object.fromEntries(inherited),
        MALLOC_ARENA_MAX: '1',
        SPIFFE_ENDPOINT_SOCKET: api.address,
        SPIFFE_SDS_LISTEN: `unix://${socket}`,
        SPIFFE_SDS_CONFIG: configuration,
        SPIFFE_SDS_ADMIN: `unix://${admin}`,
      },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    const kill = () => child.kill('SIGKILL');
    process.once('exit', kill);
    stack.defer(async () => {
      process.off('exit', kill);
      if (child.exitCode !== null || child.signalCode !== null) return;
      const exit = once(child, 'exit');
      child.kill('SIGTERM');
      const impatience = setTimeout(kill, 5_000);
      await exit;
      clearTimeout(impatience);
    });
    onStart?.(child.pid ?? -1);
    const written = { log: '', audit: '' };
    child.stderr?.setEncoding('utf8').on('data', (text: string) => {
      written.log += text;
    });
    child.stdout?.setEncoding('utf8').on('data', (text: string) => {
      written.audit += text;
    });
    const deadline = performance.now() + PATIENCE_MS;
    while (!written.log.includes(WORKLOAD)) {
      if (child.exitCode !== null || performance.now() > deadline) throw new Error(`the sidecar does not start:\n${written.log}`);
      await Promise.race([once(child.stderr as NodeJS.ReadableStream, 'data'), once(child, 'exit')]);
    }
    const witness = stack.use(new SdsClient(socket)).stream().request([WORKLOAD]);
    await witness.secrets();
    return new Target({ socket, admin, child, api, witness, stack: stack.move(), written });
  }

  get alive(): boolean {
    return this.#child.exitCode === null && this.#child.signalCode === null;
  }

  /** What it wrote to standard error. */
  get log(): string {
    return this.#written.log;
  }

  /** What it wrote to standard output. */
  get audit(): string {
    return this.#written.audit;
  }

  /** Resident memory; 0 when it is dead. */
  memoryMb(): number {
    try {
      return Number(/VmRSS:\s+(\d+) kB/.exec(readFileSync(`/proc/${this.#child.pid}/status`, 'utf8'))?.[1] ?? 0) / 1024;
    } catch {
      return 0;
    }
  }

  /** The most since the last call. */
  takePeakMb(): number {
    const peak = Math.max(this.#peak, this.memoryMb());
    this.#peak = 0;
    return peak;
  }

  /** Milliseconds from a rotation at the Workload API until the good client has it. */
  async rotate(): Promise<number> {
    const begin = performance.now();
    await this.#api.rotate();
    for (;;) {
      const [secret] = await within(PATIENCE_MS, 'a rotation to reach the good client', this.#witness.secrets());
      if (secret !== undefined && leafOf(secret).serialNumber === this.#api.serials().get(WORKLOAD)) break;
    }
    return performance.now() - begin;
  }

  /** A page of the admin API. */
  page(path: string): Promise<string> {
    return new Promise((resolve, reject) => {
      request({ socketPath: this.#admin, path }, (response) => {
        let text = '';
        response.setEncoding('utf8').on('data', (part: string) => {
          text += part;
        });
        response.once('end', () => resolve(text));
      })
        .once('error', reject)
        .end();
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#stack.disposeAsync();
  }
}
