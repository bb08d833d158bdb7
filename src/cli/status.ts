/** `spiffe-sds status`: what the running sidecar knows. */
import { stringify } from 'yaml';
import type { Status } from '../admin/status.ts';
import { formatAdminListen, parseAdminListen } from '../config/telemetry-schema.ts';
import type { Endpoint } from '../endpoint.ts';
import { SpiffeSdsError } from '../error.ts';
import { printable } from '../printable.ts';
import { askAdmin } from './admin-client.ts';
import { configurationOf } from './configuration.ts';
import { statusText } from './status-text.ts';

export interface StatusFlags {
  readonly config?: string;
  readonly admin?: string;
  readonly output: 'text' | 'json' | 'yaml';
}

const TIMEOUT_MS = 5_000;

/** @throws SpiffeSdsError `admin_failed` when it cannot be asked */
export async function status({ output, ...flags }: StatusFlags): Promise<void> {
  const endpoint = await adminAddress(flags);
  if (endpoint === 'off') throw new SpiffeSdsError('admin_failed', 'there is no admin API to ask: admin.listen is empty');
  const { status: code, body } = await askAdmin(endpoint, '/v1/status', TIMEOUT_MS);
  // What is not ours to print may be anything; ours is escaped already.
  const read = parse(endpoint, code, body);
  process.stdout.write(output === 'json' ? body : formatted(read, output));
}

/** The one that was named, or that of the configuration. */
export async function adminAddress({ config, admin }: Pick<StatusFlags, 'config' | 'admin'>): Promise<Endpoint | 'off'> {
  if (admin !== undefined) return parseAdminListen(admin);
  return (await configurationOf(config === undefined ? {} : { config })).configuration.admin.listen;
}

function parse(endpoint: Endpoint, code: number, body: string): Status {
  try {
    const read = JSON.parse(body, (_, value) => (typeof value === 'string' ? printable(value) : value));
    if (code === 200 && Array.isArray(read.identities) && Array.isArray(read.subscribers)) return read;
  } catch {
    // Said below.
  }
  const message = `${formatAdminListen(endpoint)} answered ${code} and no status: is it the admin API of spiffe-sds (admin.listen, --admin)?`;
  throw new SpiffeSdsError('admin_failed', message);
}

function formatted(read: Status, output: 'text' | 'yaml'): string {
  return output === 'yaml' ? stringify(read, { lineWidth: 0 }) : statusText(read);
}
