import type { describe } from 'vitest';
import { ENVOY_VERSIONS, findEnvoy } from '../../../envoy/install.ts';
import { describeWith } from '../describe-with.ts';
import { eventually } from '../eventually.ts';
import { asUser, Child } from '../sidecar/child.ts';

export type Stats = ReadonlyMap<string, number | string>;

/** What `/certs` tells of one TLS context. */
interface TlsContextCertificates {
  readonly ca_cert: readonly Certificate[];
  readonly cert_chain: readonly Certificate[];
}

interface Certificate {
  readonly serial_number: string;
  readonly subject_alt_names: readonly { readonly uri?: string }[];
}

/** A real Envoy with an admin port of its own. */
export class Envoy implements AsyncDisposable {
  readonly #child: Child;
  readonly #admin: string;

  private constructor(child: Child, admin: string) {
    this.#child = child;
    this.#admin = admin;
  }

  /**
   * Starts one and waits for its admin interface, not for its secrets: that is `live()`.
   * @param bootstrap YAML; its admin port should be 0
   * @param args default: hot restart would share memory between the Envoys of a machine, by a number that somebody has to keep apart
   * @param uid of the user that it runs as, and of his group; only root can have another than his own
   * @throws when there is no such Envoy, or it refuses the bootstrap
   */
  static async start(
    bootstrap: string,
    version?: string,
    args: readonly string[] = ['--disable-hot-restart'],
    uid?: number,
  ): Promise<Envoy> {
    const command = findEnvoy(version);
    if (command === undefined) throw new Error(howToGet(version));
    const line = [command, ...args, '--concurrency', '1', '--config-yaml', bootstrap];
    const [program = command, ...rest] = uid === undefined ? line : [...asUser(uid), ...line];
    const child = new Child(program, rest);
    try {
      const [, address = ''] = await child.written(/ admin address: (\S+)/);
      return new Envoy(child, address);
    } catch (thrown) {
      await child.stop();
      throw thrown;
    }
  }

  get log(): string {
    return this.#child.log;
  }

  /** `http://IP:PORT` */
  get adminUrl(): string {
    return `http://${this.#admin}`;
  }

  /** Waits until it has opened its listeners. */
  async live(): Promise<void> {
    await eventually('a live Envoy', async () => ((await this.state()) === 'LIVE' ? true : undefined));
  }

  /** `PRE_INITIALIZING`, `INITIALIZING`, `LIVE` or `DRAINING`. */
  async state(): Promise<string> {
    return (await this.#json<{ state: string }>('/server_info')).state;
  }

  /** The port that the kernel gave a listener. */
  async port(listener: string): Promise<number> {
    type Listeners = { listener_statuses?: { name: string; local_address: { socket_address: { port_value: number } } }[] };
    return eventually(`the listener ${listener}`, async () => {
      const { listener_statuses = [] } = await this.#json<Listeners>('/listeners?format=json');
      return listener_statuses.find(({ name }) => name === listener)?.local_address.socket_address.port_value;
    });
  }

  /** Counters, gauges and texts whose name has a match for the regular expression. */
  async stats(filter: string): Promise<Stats> {
    type Entries = { stats: { name?: string; value?: number | string }[] };
    const { stats } = await this.#json<Entries>(`/stats?format=json&filter=${encodeURIComponent(filter)}`);
    return new Map(stats.flatMap(({ name, value }) => (name === undefined || value === undefined ? [] : [[name, value]])));
  }

  /** @throws when there is no such stat */
  async stat(name: string): Promise<number | string> {
    const value = (await this.stats(`^${name.replaceAll(/\W/g, '.')}$`)).get(name);
    if (value === undefined) throw new Error(`Envoy has no stat ${name}`);
    return value;
  }

  async waitForStat(name: string, predicate: (value: number | string) => boolean): Promise<void> {
    await eventually(`the stat ${name}`, async () => (predicate(await this.stat(name)) ? true : undefined));
  }

  async certs(): Promise<readonly TlsContextCertificates[]> {
    return (await this.#json<{ certificates: TlsContextCertificates[] }>('/certs')).certificates;
  }

  /** Waits until `/certs` shows a certificate with this serial number (hexadecimal). */
  async presents(serial: string | undefined): Promise<void> {
    const wanted = BigInt(`0x${serial}`);
    await eventually(`the certificate ${serial} in Envoy`, async () => {
      const chains = (await this.certs()).flatMap(({ cert_chain }) => cert_chain);
      return chains.some(({ serial_number }) => BigInt(`0x${serial_number}`) === wanted) ? true : undefined;
    });
  }

  /** The configuration in force, without private keys. */
  async configDump(): Promise<string> {
    return JSON.stringify(await this.#json<unknown>('/config_dump'));
  }

  async stop(): Promise<void> {
    await this.#child.stop();
  }

  /** Waits until it ends by itself. */
  async ended(): Promise<void> {
    await this.#child.ended();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop();
  }

  async #json<T>(path: string): Promise<T> {
    const response = await fetch(`http://${this.#admin}${path}`);
    if (!response.ok) throw new Error(`Envoy's admin answers ${path} with ${response.status}: ${await response.text()}`);
    return (await response.json()) as T;
  }
}

/**
 * The versions to run the main cases on: `ENVOY_VERSIONS`, a list with commas or `all`; without it, whatever Envoy is found.
 */
export function envoyVersions(): readonly (string | undefined)[] {
  const wanted = process.env['ENVOY_VERSIONS'] ?? '';
  if (wanted === 'all') return ENVOY_VERSIONS;
  return wanted === '' ? [undefined] : wanted.split(',').map((version) => version.trim());
}

/** `describe` where there is such an Envoy; where there is none it skips and says so, and fails on CI. */
export function describeWithEnvoy(version?: string): typeof describe | typeof describe.skip {
  return describeWith(findEnvoy(version), howToGet(version));
}

function howToGet(version?: string): string {
  const command = version === undefined ? 'npm run envoy' : `npm run envoy -- ${version}`;
  return `there is no Envoy${version === undefined ? '' : ` ${version}`} here to test with; this gets it: ${command}`;
}
