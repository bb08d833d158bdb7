/** `npm run demo` as people and CI run it. */
import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { EventEmitter, once } from 'node:events';
import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { describeWithEnvoy } from '../../support/mesh/envoy.ts';

const ROOT = join(import.meta.dirname, '..', '..', '..');

describeWithEnvoy()('npm run demo', () => {
  describe('-- --rotations 2', () => {
    let demo: Demo;
    let code: number | null;
    beforeAll(async () => {
      demo = await Demo.start('--rotations', '2');
      code = await demo.ended();
    });
    afterAll(() => demo[Symbol.asyncDispose]());

    it('ends by itself, with exit code 0', () => {
      expect(code, demo.output).toBe(0);
    });

    it('shows the serial numbers of both certificates at each rotation', () => {
      const rotations = [...demo.output.matchAll(/ROTATED: frontend (\w+) → (\w+), backend (\w+) → (\w+)/g)];
      const [[, , frontend, , backend] = [], second = []] = rotations;
      expect(rotations).toHaveLength(2);
      expect([second[1], second[3]]).toEqual([frontend, backend]);
    });

    it('shows the intruder refused, and why', () => {
      expect(demo.output).toMatch(/intruder 2 refused, 0 let in: .*certificate required/);
    });

    it('ends with one line that sums it up', () => {
      expect(demo.output.trimEnd().split('\n').at(-1)).toMatch(
        /^PASSED: certificates rotated 2 times; requests \d+ answered, 0 failed;/,
      );
    });

    it('leaves no process and no file', async () => {
      expect(await demo.remains()).toEqual({ processes: false, files: [] });
    });
  });

  it('can be asked for its status while it runs, in the words that it shows', async () => {
    await using demo = await Demo.start();
    await demo.written(/first answer/);
    const [, words = ''] = /^ {2}npm (run -s spiffe-sds -- status .*)$/m.exec(demo.output) ?? [];
    const { stdout } = await promisify(execFile)('npm', words.split(' '), { cwd: ROOT });
    expect(stdout).toMatch(/Subscribers: [1-9]/);
  });

  it('fails when nothing has rotated', async () => {
    await using demo = await Demo.start('--seconds', '1');
    expect(await demo.ended()).toBe(1);
    expect(demo.output).toContain('FAILED: certificates rotated 0 times (once expected)');
  });

  it.each([
    ['a Ctrl-C while it starts', /^ {2}Workload API /m, 'interrupt'],
    ['a Ctrl-C while it runs', /first answer/, 'interrupt'],
    ['SIGTERM to npm alone', /first answer/, 'terminateNpm'],
  ] as const)('leaves no process and no file after %s', async (_case, shown, end) => {
    await using demo = await Demo.start();
    await demo.written(shown);
    demo[end]();
    expect(await demo.ended(), demo.output).toBe(0);
    expect(await demo.remains()).toEqual({ processes: false, files: [] });
  });
});

/** One demo, in a process group and a folder for temporary files of its own: what it leaves behind can be told. */
class Demo implements AsyncDisposable {
  output = '';
  readonly #npm: ChildProcess;
  readonly #folder: string;
  readonly #news = new EventEmitter();
  readonly #ended: Promise<number | null>;

  private constructor(npm: ChildProcess, folder: string) {
    this.#npm = npm;
    this.#folder = folder;
    for (const stream of [npm.stdout, npm.stderr]) {
      stream?.setEncoding('utf8').on('data', (text: string) => {
        this.output += text;
        this.#news.emit('news');
      });
    }
    this.#ended = once(npm, 'close').then(([code]) => {
      this.#news.emit('news');
      return code as number | null;
    });
  }

  static async start(...args: readonly string[]): Promise<Demo> {
    const folder = await mkdtemp(join(tmpdir(), 'demo-'));
    // npm, too, would leave its compile cache there.
    const env = { ...process.env, TMPDIR: folder, NODE_DISABLE_COMPILE_CACHE: '1' };
    const stdio = ['ignore', 'pipe', 'pipe'] as const;
    const npm = spawn('npm', ['run', '--silent', 'demo', '--', ...args], { cwd: ROOT, env, stdio: [...stdio], detached: true });
    return new Demo(npm, folder);
  }

  /** @throws when it ends without having written that */
  async written(pattern: RegExp): Promise<void> {
    while (!pattern.test(this.output)) {
      if (this.#npm.exitCode !== null) throw new Error(`the demo ended before it wrote ${pattern}:\n${this.output}`);
      await once(this.#news, 'news');
    }
  }

  /** The exit code, null after a signal. */
  ended(): Promise<number | null> {
    return this.#ended;
  }

  /** As a terminal does it: to every process of the group at once. */
  interrupt(): void {
    process.kill(-this.#group, 'SIGINT');
  }

  /** As a supervisor does it that knows npm only. */
  terminateNpm(): void {
    this.#npm.kill('SIGTERM');
  }

  async remains(): Promise<{ readonly processes: boolean; readonly files: readonly string[] }> {
    return { processes: this.#signalled(0), files: await readdir(this.#folder) };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#signalled('SIGKILL');
    await rm(this.#folder, { recursive: true, force: true });
  }

  get #group(): number {
    if (this.#npm.pid === undefined) throw new Error('npm did not start');
    return this.#npm.pid;
  }

  /** False when there is no process in the group. */
  #signalled(signal: NodeJS.Signals | 0): boolean {
    try {
      return process.kill(-this.#group, signal);
    } catch {
      return false;
    }
  }
}
