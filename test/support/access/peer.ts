/** Peers that are other users, for tests as root. */
import { Child } from '../sidecar/child.ts';
import { withPid } from './next-pid.ts';

export interface PeerClientOptions {
  readonly uid: number;
  readonly gid: number;
  readonly groups?: readonly number[];
  /** The folder of a cgroup that it goes into first. */
  readonly cgroup?: string;
  readonly socket: string;
  /** `bytes`: whether anything comes at all; default state of the world. */
  readonly asks?: 'sotw' | 'delta' | 'fetch' | 'bytes';
  readonly names?: readonly string[];
  readonly node?: { readonly id?: string; readonly cluster?: string };
  /** Of `bytes`: how many connections, as many at once as a line says. Default 1. */
  readonly attempts?: number;
  /** The pid that it is to have. It tells PID_TAKEN when it cannot have it. */
  readonly pid?: number;
}

/** What a peer tells: one of these a line. */
export interface PeerLine {
  readonly got?: readonly string[];
  readonly removed?: readonly string[];
  readonly fetched?: number;
  readonly refused?: string;
  readonly ended?: string;
  /** So many came on so many connections. */
  readonly bytes?: number;
  readonly attempts?: number;
}

const PROGRAM = new URL('peer-client.ts', import.meta.url).pathname;

/** A peer in a process of its own. */
export class PeerProcessClient implements AsyncDisposable {
  readonly #child: Child;
  #taken = 0;

  constructor(options: PeerClientOptions) {
    const before = options.pid === undefined ? [] : withPid(options.pid);
    const [command = '', ...args] = [...before, process.execPath, PROGRAM, JSON.stringify(options)];
    this.#child = new Child(command, args);
  }

  get pid(): number {
    return this.#child.pid;
  }

  /** What it tells next. */
  async next(): Promise<PeerLine> {
    const index = this.#taken++;
    return this.#child.told(`line ${index}`, () => {
      const lines = this.#child.log.split('\n').slice(0, -1);
      return lines[index] === undefined ? undefined : JSON.parse(lines[index]);
    });
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#child[Symbol.asyncDispose]();
  }
}
