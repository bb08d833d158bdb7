/** One sidecar after the other on the same socket, each with a trouble of its own. */
import { join } from 'node:path';
import type { Random } from '../fuzz/random.ts';
import { FakeClock, findFaketime } from '../support/clocks/faketime.ts';
import type { KeyHunt } from './key-hunt.ts';
import { Life, type LifeOptions } from './life.ts';

export interface LivesOptions {
  /** Where clocks and audit files are put. */
  readonly folder: string;
  readonly socket: string;
  readonly workloadApi: string;
  /** The endpoint of a collector that never answers. */
  readonly collector: string;
  /** What every output is searched for. */
  readonly keys: KeyHunt;
  /** A sidecar begins with this trouble. */
  readonly onTrouble: (trouble: CountedTrouble) => void;
  /** A sidecar was not well. */
  readonly onLost: (what: string) => void;
}

export type CountedTrouble = 'full disks' | 'unread outputs' | 'hanging collectors';

const LAST_WORDS = 4_000;
const BURIED = 3;
const AUDIT_BYTES = 4 * 512;

export class Lives {
  readonly #options: LivesOptions;
  /** The last words of the sidecars that have ended. */
  #buried: readonly string[] = [];
  #absent: { readonly endedMs: number; readonly since: number | undefined } = { endedMs: 0, since: undefined };
  #slowestStartMs = 0;
  #current!: Life;
  #clock: FakeClock | undefined;

  private constructor(options: LivesOptions) {
    this.#options = options;
  }

  /** Resolves when the first sidecar listens. */
  static async begin(options: LivesOptions, random: Random): Promise<Lives> {
    const lives = new Lives(options);
    await lives.begin(random);
    return lives;
  }

  /** The sidecar that runs, or was the last to run. */
  get current(): Life {
    return this.#current;
  }

  /** The clock of that sidecar, when it can be set. */
  get clock(): FakeClock | undefined {
    return this.#clock;
  }

  /** From the start of a sidecar until it listens. */
  get slowestStartMs(): number {
    return this.#slowestStartMs;
  }

  /** How long there was no sidecar that listened. */
  get absentMs(): number {
    return this.#absent.endedMs + (this.#absent.since === undefined ? 0 : performance.now() - this.#absent.since);
  }

  /** What the sidecars said last: a change that is late by longer than one of them lives has its reason in several. */
  get lastWords(): readonly string[] {
    return [...this.#buried, this.#current.output.slice(-LAST_WORDS)];
  }

  /** Starts the next sidecar. */
  async begin(random: Random): Promise<void> {
    const common = { workloadApi: this.#options.workloadApi, socket: this.#options.socket };
    const trouble = random.of(['none', 'wrong clock', 'full disk', 'unread output', 'hanging collector'] as const);
    const since = performance.now();
    this.#absent = { ...this.#absent, since };
    this.#clock = undefined;
    this.#current = await Life.begin({ ...common, ...(await this.#troubled(trouble)) });
    const ms = performance.now() - since;
    this.#absent = { endedMs: this.#absent.endedMs + ms, since: undefined };
    this.#slowestStartMs = Math.max(this.#slowestStartMs, ms);
  }

  /** Ends the sidecar, which must have been well until then. */
  async end(how: 'kill' | 'stop'): Promise<void> {
    const life = this.#current;
    const { onLost, keys } = this.#options;
    if (life.isOver) onLost('the sidecar died by itself');
    await (how === 'kill' ? life.kill() : life.stop());
    if (life.complaints.length > 0) onLost(`the sidecar complained: ${life.complaints.slice(0, 5).join('\n')}`);
    keys.search(life.output);
    this.#buried = [...this.#buried, life.output.slice(-LAST_WORDS)].slice(-BURIED);
  }

  async #troubled(trouble: string): Promise<Partial<LifeOptions>> {
    const { folder, collector, onTrouble } = this.#options;
    switch (trouble) {
      case 'wrong clock':
        if (findFaketime() === undefined) return {};
        this.#clock = await FakeClock.open(join(folder, 'clock'));
        return { env: this.#clock.env };
      case 'full disk': {
        onTrouble('full disks');
        return { maxFileBytes: AUDIT_BYTES, configuration: { log: { audit: join(folder, 'audit.json') } } };
      }
      case 'unread output':
        onTrouble('unread outputs');
        return { stdoutUnread: true };
      case 'hanging collector':
        onTrouble('hanging collectors');
        return { configuration: { telemetry: { otlp: { endpoint: collector, protocol: 'http/protobuf', logs: true } } } };
      default:
        return {};
    }
  }
}
