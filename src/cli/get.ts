/** `spiffe-sds get`: an SDS client that subscribes as Envoy does and shows what it gets, without the keys. */
import { parseWait } from '../config/values/duration.ts';
import { type Endpoint, formatEndpoint } from '../endpoint.ts';
import { SpiffeSdsError } from '../error.ts';
import { AUDIENCE_PREFIX } from '../spiffe/jwt/jwt-token.ts';
import { type ReceivedSecret, streamSecrets } from './clients/sds-client.ts';
import { configurationOf } from './configuration.ts';
import { flagValue } from './flag.ts';
import { type OutputFormat, printSecrets } from './secret-description.ts';
import { terminated } from './signals.ts';

export interface GetFlags {
  readonly config?: string;
  readonly listen?: string;
  readonly output: OutputFormat;
  readonly watch?: boolean;
  /** Audiences. */
  readonly jwt?: readonly string[];
  readonly showToken?: boolean;
  readonly timeout: string;
}

/** @throws SpiffeSdsError `sds_failed` naming what did not come in time, and what there is instead */
export async function get(
  given: readonly string[],
  { output, watch = false, jwt = [], showToken = false, timeout, ...flags }: GetFlags,
): Promise<void> {
  const names = [...given, ...jwt.map((audience) => `${AUDIENCE_PREFIX}${audience}`)];
  const timeoutMs = flagValue('--timeout', timeout, parseWait);
  const endpoint = (await configurationOf(flags)).configuration.sds.listen;
  const print = (secrets: readonly ReceivedSecret[], at?: Date) =>
    process.stdout.write(printSecrets(secrets, output, { at, showToken }));
  const received = watch ? await watchSecrets(endpoint, names, timeoutMs, print) : await firstSecrets(endpoint, names, timeoutMs);
  if (!watch) print([...received.values()]);
  const missing = names.filter((name) => !received.has(name));
  if (missing.length > 0 || received.size === 0) throw await missingError(endpoint, missing, timeout, timeoutMs);
}

/** What there is comes at once, however short of time who asked was. */
const HINT_MS = 2_000;

type Received = Map<string, ReceivedSecret>;

/** Until every name is there, or time is up. */
async function firstSecrets(endpoint: Endpoint, names: readonly string[], timeoutMs: number): Promise<Received> {
  const received: Received = new Map();
  for await (const secrets of streamSecrets(endpoint, names, AbortSignal.timeout(timeoutMs))) {
    for (const secret of secrets) received.set(secret.secret.name, secret);
    if (names.every((name) => received.has(name))) break;
  }
  return received;
}

/** Prints what is new in each response, and when it came, until SIGTERM or SIGINT; gives up when nothing has come after `timeoutMs`. */
async function watchSecrets(
  endpoint: Endpoint,
  names: readonly string[],
  timeoutMs: number,
  print: (secrets: readonly ReceivedSecret[], at: Date) => void,
): Promise<Received> {
  const received: Received = new Map();
  const stop = new AbortController();
  void terminated().then(() => stop.abort());
  const timer = setTimeout(() => stop.abort(), timeoutMs);
  for await (const secrets of streamSecrets(endpoint, names, stop.signal)) {
    clearTimeout(timer);
    const fresh = secrets.filter(({ secret, version }) => received.get(secret.name)?.version !== version);
    if (fresh.length > 0) print(fresh, new Date());
    for (const secret of secrets) received.set(secret.secret.name, secret);
  }
  return received;
}

async function missingError(
  endpoint: Endpoint,
  missing: readonly string[],
  timeout: string,
  timeoutMs: number,
): Promise<SpiffeSdsError> {
  const what = missing.length === 0 ? 'no secrets at all' : `no secret named ${missing.join(', ')}`;
  const available = missing.length === 0 ? new Map() : await firstSecrets(endpoint, [], Math.max(timeoutMs, HINT_MS));
  const hint =
    available.size === 0
      ? 'it has no identity yet: look at its log for what the Workload API said'
      : missing.some((name) => name.startsWith(AUDIENCE_PREFIX))
        ? 'list that audience under names.jwt_audiences, or look at its log for what the Workload API said of the token'
        : `it has ${[...available.keys()].join(', ')} and the names its configuration gives them`;
  return new SpiffeSdsError('sds_failed', `${formatEndpoint(endpoint)} sent ${what} within ${timeout}: ${hint}`);
}
