/** `spiffe-sds status`: what the running sidecar knows, and `--ready`: whether it is ready, for health checks. */
import type { Status } from '../admin/status.ts';
import { formatAdminListen, parseAdminListen } from '../config/telemetry-schema.ts';
import { type Endpoint, formatEndpoint } from '../endpoint.ts';
import { messageOf, SpiffeSdsError } from '../error.ts';
import { printable } from '../printable.ts';
import { askAdmin } from './admin-client.ts';
import { configurationOf } from './configuration.ts';
import { checkHealth } from './health-client.ts';

export interface StatusFlags {
  readonly config?: string;
  readonly listen?: string;
  readonly admin?: string;
  readonly output: 'text' | 'json' | 'yaml';
  readonly ready?: boolean;
}

const SDS = 'envoy.service.secret.v3.SecretDiscoveryService';
const TIMEOUT_MS = 5_000;
/** Of a health check, which is made every few seconds. */
const READY_TIMEOUT_MS = 2_000;

/** @throws SpiffeSdsError `admin_failed` when it cannot be asked */
export async function status({ output, ready = false, admin, ...flags }: StatusFlags): Promise<void> {
  const { configuration } = await configurationOf(flags);
  const endpoint = admin === undefined ? configuration.admin.listen : parseAdminListen(admin);
  if (ready) {
    const { isReady, line } = await readiness(configuration.sds.listen.path, endpoint);
    process.stdout.write(`${printable(line)}\n`);
    if (!isReady) process.exitCode = 1;
    return;
  }
  if (endpoint === 'off') throw new SpiffeSdsError('admin_failed', 'there is no admin API to ask: admin.listen is empty');
  const { status: code, body } = await askAdmin(endpoint, '/v1/status', TIMEOUT_MS);
  // What is not ours to print may be anything; ours is escaped already.
  const read = parse(endpoint, code, body);
  process.stdout.write(output === 'json' ? body : await formatted(read, output));
}

/** The SDS socket says whether; the admin API, if there is one, says why not. */
async function readiness(socket: string, admin: Endpoint | 'off'): Promise<{ readonly isReady: boolean; readonly line: string }> {
  const address = formatEndpoint({ kind: 'unix', path: socket });
  try {
    if (await checkHealth(socket, SDS, READY_TIMEOUT_MS)) return { isReady: true, line: `ready: ${address} serves secrets` };
  } catch (error) {
    const mend = 'does spiffe-sds run, and may this user write to its socket?';
    return { isReady: false, line: `not ready: asking ${address}: ${messageOf(error)}: ${mend}` };
  }
  const reasons = admin === 'off' ? undefined : await reasonsFrom(admin);
  return { isReady: false, line: `not ready: ${reasons ?? `${address} has nothing good to serve: look at the log`}` };
}

async function reasonsFrom(admin: Endpoint): Promise<string | undefined> {
  try {
    const { body } = await askAdmin(admin, '/readyz', READY_TIMEOUT_MS);
    const failed = body.split('\n').filter((line) => line.startsWith('[-]'));
    return failed.length === 0 ? undefined : failed.map((line) => line.slice('[-]'.length)).join('; ');
  } catch {
    return undefined;
  }
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

async function formatted(read: Status, output: 'text' | 'yaml'): Promise<string> {
  if (output === 'yaml') return (await import('yaml')).stringify(read, { lineWidth: 0 });
  return (await import('./status-text.ts')).statusText(read);
}
