import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { stringify } from 'yaml';
import { asUser, Child } from './child.ts';

const MAIN = join(import.meta.dirname, '..', '..', '..', 'src', 'cli', 'main.ts');

/** A line of its log. */
export interface LoggedEvent {
  readonly level: number;
  readonly event: string;
  readonly node?: string;
  readonly stream?: number;
  readonly method?: string;
  readonly secrets?: readonly { readonly name: string; readonly version: string }[];
  readonly removed?: readonly string[];
  readonly names?: readonly string[];
  readonly reason?: string;
  readonly late?: number;
  readonly type_url?: string;
}

/** `spiffe-sds serve` as a process of its own, known by its socket, its log and its exit code. */
export class SidecarProcess implements AsyncDisposable {
  /** The path of its configuration file. */
  readonly file: string;
  readonly #child: Child;

  private constructor(child: Child, file: string) {
    this.#child = child;
    this.file = file;
  }

  /**
   * Starts one and waits until it listens.
   * @param configuration what stands in its file, beside the socket; unless it says so, there is no admin API: its port is this machine's
   * @param env more of its environment
   * @param uid of the user that it runs as, and of his group; only root can have another than his own
   */
  static async start(
    workloadApi: string,
    sdsSocket: string,
    configuration: object = {},
    env: Readonly<Record<string, string>> = {},
    uid?: number,
  ): Promise<SidecarProcess> {
    const file = `${sdsSocket}.yaml`;
    await writeFile(file, stringify({ admin: { listen: '' }, ...configuration }));
    const inherited = Object.entries(process.env).filter(([name]) => !/^(SPIFFE_|OTEL_|NOTIFY_)/.test(name));
    const line = [process.execPath, '--disable-sigusr1', MAIN, 'serve'];
    const [program = '', ...rest] = uid === undefined ? line : [...asUser(uid), ...line];
    const child = new Child(program, rest, {
      ...Object.fromEntries(inherited),
      SPIFFE_ENDPOINT_SOCKET: workloadApi,
      SPIFFE_SDS_LISTEN: `unix://${sdsSocket}`,
      SPIFFE_SDS_CONFIG: file,
      SPIFFE_SDS_LOG_FORMAT: 'json',
      SPIFFE_SDS_LOG_LEVEL: 'debug',
      ...env,
    });
    try {
      await child.written(/"event":"listening"/);
      return new SidecarProcess(child, file);
    } catch (thrown) {
      await child.stop();
      throw thrown;
    }
  }

  get pid(): number {
    return this.#child.pid;
  }

  get log(): string {
    return this.#child.log;
  }

  /** How many events it has told so far. */
  get told(): number {
    return this.#child.count('"event":"');
  }

  /** All that happened, in order. */
  get events(): readonly LoggedEvent[] {
    return this.log
      .split('\n')
      .filter((line) => line.startsWith('{') && line.endsWith('}'))
      .map((line) => JSON.parse(line) as LoggedEvent);
  }

  /** Waits for an event, also one that has been. */
  event(predicate: (event: LoggedEvent) => boolean): Promise<LoggedEvent> {
    return this.until((events) => events.find(predicate), String(predicate));
  }

  /** @param probe undefined means "not yet" */
  until<T>(probe: (events: readonly LoggedEvent[]) => T | undefined, what = String(probe)): Promise<T> {
    return this.#child.told(what, () => probe(this.events));
  }

  /** SIGTERM. Returns the exit code. */
  stop(): Promise<number | NodeJS.Signals> {
    return this.#child.stop();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop();
  }
}
