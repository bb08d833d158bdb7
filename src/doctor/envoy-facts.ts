/** What a running Envoy's admin interface says. */
import { type EnvoyConfiguration, readEnvoyConfiguration } from './envoy-configuration.ts';

export interface RunningEnvoy {
  /** `1.40.0` */
  readonly version: string;
  /** `LIVE`, `PRE_INITIALIZING`, `INITIALIZING` or `DRAINING`. */
  readonly state: string;
  readonly configuration: EnvoyConfiguration;
  /** Names that it waits for. */
  readonly warming: readonly string[];
  /** Numbers, by the name of the stat; 0 is left out by Envoy or not. */
  readonly stats: ReadonlyMap<string, number>;
  /** The serials of certificates that it presents, hexadecimal without leading zeros, by the SPIFFE ID in them. */
  readonly serials: ReadonlyMap<string, readonly string[]>;
}

export type EnvoyFacts =
  | { readonly kind: 'running'; readonly envoy: RunningEnvoy }
  | { readonly kind: 'failed'; readonly url: string; readonly reason: string };

/** What `askEnvoy` fetched, as JSON was read. */
export interface EnvoyAnswers {
  readonly serverInfo: unknown;
  readonly certs: unknown;
  readonly stats: unknown;
  readonly configDump: unknown;
}

interface Config {
  readonly '@type': string;
  readonly bootstrap?: unknown;
  readonly dynamic_warming_secrets?: readonly { readonly name: string }[];
  readonly dynamic_active_clusters?: readonly { readonly cluster?: unknown }[];
  readonly dynamic_warming_clusters?: readonly { readonly cluster?: unknown }[];
  readonly dynamic_listeners?: readonly {
    readonly active_state?: { readonly listener?: unknown };
    readonly warming_state?: { readonly listener?: unknown };
  }[];
}

export function readEnvoy({ serverInfo, certs, stats, configDump }: EnvoyAnswers): RunningEnvoy {
  const { version, state } = serverInfo as { version: string; state: string };
  const { configs } = configDump as { configs: readonly Config[] };
  const more = configs.flatMap(({ dynamic_listeners = [], dynamic_active_clusters = [], dynamic_warming_clusters = [] }) => [
    ...dynamic_listeners.flatMap(({ active_state, warming_state }) => (warming_state ?? active_state)?.listener ?? []),
    ...[...dynamic_active_clusters, ...dynamic_warming_clusters].flatMap(({ cluster }) => cluster ?? []),
  ]);
  const entries = (stats as { stats: readonly { name?: string; value?: number | string }[] }).stats;
  const numbers = entries.flatMap(({ name, value = 0 }) =>
    name === undefined || typeof value !== 'number' ? [] : ([[name, value]] as const),
  );
  return {
    version: version.split('/')[1] ?? version,
    state,
    configuration: readEnvoyConfiguration(configs.find(({ bootstrap }) => bootstrap !== undefined)?.bootstrap ?? {}, more),
    warming: configs.flatMap(({ dynamic_warming_secrets = [] }) => dynamic_warming_secrets.map(({ name }) => name)),
    stats: new Map(numbers),
    serials: serialsOf(certs),
  };
}

function serialsOf(certs: unknown): RunningEnvoy['serials'] {
  interface Shown {
    readonly serial_number?: string;
    readonly subject_alt_names?: readonly { readonly uri?: string }[];
  }
  const { certificates = [] } = certs as { certificates?: readonly { readonly cert_chain?: readonly Shown[] }[] };
  const serials = new Map<string, string[]>();
  for (const { serial_number = '', subject_alt_names = [] } of certificates.flatMap(({ cert_chain = [] }) => cert_chain)) {
    for (const { uri } of subject_alt_names) {
      if (uri !== undefined) serials.set(uri, [...(serials.get(uri) ?? []), plainSerial(serial_number)]);
    }
  }
  return serials;
}

/** Of each stream to whom it asks for secrets: 1 while it is connected. */
export function connections({ stats }: RunningEnvoy): readonly number[] {
  return [...stats].flatMap(([name, value]) => (/^sds\..*\.control_plane\.connected_state$/.test(name) ? [value] : []));
}

/** Hexadecimal, lower case, without leading zeros: OpenSSL and Envoy write them differently. */
export function plainSerial(serial: string): string {
  return serial.toLowerCase().replace(/^0+(?=.)/, '');
}

/** Envoy's stats of a secret have its name with `://` and other separators of stats replaced. */
export function statName(secret: string): string {
  return secret.replaceAll('://', '_').replaceAll(':/', '_').replaceAll(':', '_');
}
