/** `spiffe-sds status`: what the running sidecar knows. */
import { stat } from 'node:fs/promises';
import { setTimeout } from 'node:timers/promises';
import { styleText } from 'node:util';
import { stringify } from 'yaml';
import type { Status } from '../admin/status.ts';
import { type AdminListen, formatAdminListen, parseAdminListen } from '../config/schema/telemetry-schema.ts';
import { type Endpoint, formatEndpoint } from '../endpoint.ts';
import { messageOf, SpiffeSdsError } from '../error.ts';
import { printable } from '../printable.ts';
import { askAdmin } from './clients/admin-client.ts';
import { type ConfigurationFlags, configurationOf } from './configuration.ts';
import { terminated } from './signals.ts';
import { type Paint, statusText } from './status-text.ts';

/** Which sidecar is meant. */
export type SidecarFlags = Pick<ConfigurationFlags, 'config' | 'listen' | 'admin'>;

export interface StatusFlags extends SidecarFlags {
  readonly output: 'text' | 'json' | 'yaml';
  /** Again and again, until the process is told to stop. */
  readonly watch?: boolean;
}

export interface AskedStatus {
  readonly status: Status;
  /** As it came. */
  readonly body: string;
}

const TIMEOUT_MS = 5_000;

const WATCH_MS = 2_000;
/** To the upper left corner, and what stands there is gone. */
const CLEAR = '\x1b[H\x1b[J';

/** @throws SpiffeSdsError `admin_failed` as `askStatus` does, and when there is nobody to ask; with `watch` only at the first time */
export async function status({ output, watch = false, ...flags }: StatusFlags): Promise<void> {
  process.stdout.write(await statusIn(output, flags));
  if (!watch) return;
  const stop = new AbortController();
  void terminated().then(() => stop.abort());
  while (await pause(stop.signal)) {
    const text = await statusIn(output, flags).catch((error: unknown) => `${messageOf(error)}\n`);
    process.stdout.write(process.stdout.isTTY ? `${CLEAR}${text}` : `\n${text}`);
  }
}

async function statusIn(output: StatusFlags['output'], flags: SidecarFlags): Promise<string> {
  const asked = await askStatus(flags, TIMEOUT_MS);
  if (asked === 'off') throw new SpiffeSdsError('admin_failed', 'there is no admin API to ask: admin.listen is empty');
  return output === 'json' ? asked.body : formatted(asked.status, output);
}

/** @returns false when it is to stop */
function pause(signal: AbortSignal): Promise<boolean> {
  return setTimeout(WATCH_MS, true, { signal }).catch(() => false);
}

const COLOURS = { good: 'green', bad: 'red', warning: 'yellow', heading: 'bold' } as const;

/** On a terminal only, and not where NO_COLOR is set. */
const paint: Paint = (text, tone) => styleText(COLOURS[tone], text, { stream: process.stdout });

/**
 * Asks the admin API that the flags, the environment or the file name.
 * @throws SpiffeSdsError `admin_failed` when it cannot be asked, or is that of another sidecar
 */
export async function askStatus(flags: SidecarFlags, timeoutMs: number): Promise<AskedStatus | 'off'> {
  const { endpoint, socket } = await sidecarMeant(flags);
  if (endpoint === 'off') return 'off';
  const { status: code, body } = await askAdmin(endpoint, '/v1/status', timeoutMs);
  // What is not ours to print may be anything; ours is escaped already.
  const status = parse(endpoint, code, body);
  if (socket !== undefined) await refuseOther(endpoint, status, socket);
  return { status, body };
}

/** Its admin API, and the path of its SDS socket when that was named: whoever names only an admin API means the sidecar that has it. */
async function sidecarMeant(flags: SidecarFlags): Promise<{ readonly endpoint: AdminListen; readonly socket?: string }> {
  if (flags.admin !== undefined && flags.listen === undefined) return { endpoint: parseAdminListen(flags.admin) };
  const { configuration, sources } = await configurationOf(flags);
  const endpoint = configuration.admin.listen;
  return sources.get('sds.listen') === 'default' ? { endpoint } : { endpoint, socket: configuration.sds.listen.path };
}

/** @param path of the SDS socket that is meant */
async function refuseOther(endpoint: Endpoint, { sds }: Status, path: string): Promise<void> {
  const address = formatEndpoint({ kind: 'unix', path });
  if (sds.address === address || (await isSameFile(sds.address.replace('unix://', ''), path))) return;
  const message = `${formatAdminListen(endpoint)} is the admin API of another spiffe-sds, which serves ${sds.address}`;
  const mend = `name the one of ${address} (--admin, SPIFFE_SDS_ADMIN, admin.listen), or give it one of its own`;
  throw new SpiffeSdsError('admin_failed', `${message}: ${mend}`);
}

/** By whatever links a path leads there. */
async function isSameFile(one: string, other: string): Promise<boolean> {
  const [a, b] = await Promise.all([one, other].map((path) => stat(path).catch(() => undefined)));
  return a !== undefined && a.ino === b?.ino && a.dev === b.dev;
}

function parse(endpoint: Endpoint, code: number, body: string): Status {
  try {
    const read = JSON.parse(body, (_, value) => (typeof value === 'string' ? printable(value) : value));
    if (
      code === 200 &&
      Array.isArray(read.identities) &&
      Array.isArray(read.subscribers) &&
      typeof read.sds?.address === 'string'
    )
      return read;
  } catch {
    // Said below.
  }
  const message = `${formatAdminListen(endpoint)} answered ${code} and no status: is it the admin API of spiffe-sds (admin.listen, --admin)?`;
  throw new SpiffeSdsError('admin_failed', message);
}

function formatted(read: Status, output: 'text' | 'yaml'): string {
  return output === 'yaml' ? stringify(read, { lineWidth: 0 }) : statusText(read, paint);
}
