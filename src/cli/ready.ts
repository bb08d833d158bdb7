/**
 * `spiffe-sds status --ready`: whether the sidecar is ready, as its exit code and one line. A health check does this every few seconds for as
 * long as a container lives, so nothing is loaded that the question does not need.
 */
import { listenWithoutFile } from '../config/source/sources.ts';
import { formatEndpoint, parseEndpoint } from '../endpoint.ts';
import { messageOf } from '../error.ts';
import { printable } from '../printable.ts';
import { checkHealth } from './clients/health-client.ts';
import type { SidecarFlags } from './status.ts';

const SDS = 'envoy.service.secret.v3.SecretDiscoveryService';
const TIMEOUT_MS = 2_000;

export async function ready(flags: SidecarFlags): Promise<void> {
  const { isReady, line } = await readiness(flags);
  process.stdout.write(`${printable(line)}\n`);
  if (!isReady) process.exitCode = 1;
}

/** The SDS socket says whether; the admin API, if it can be asked, says why not. */
async function readiness(flags: SidecarFlags): Promise<{ readonly isReady: boolean; readonly line: string }> {
  const path = await socketPath(flags);
  const address = formatEndpoint({ kind: 'unix', path });
  try {
    if (await checkHealth(path, SDS, TIMEOUT_MS)) return { isReady: true, line: `ready: ${address} serves secrets` };
  } catch (error) {
    const mend = 'does spiffe-sds run, and may this user write to its socket?';
    return { isReady: false, line: `not ready: asking ${address}: ${messageOf(error)}: ${mend}` };
  }
  const reasons = await (await import('./not-ready.ts')).reasonsFrom(flags, TIMEOUT_MS).catch(() => undefined);
  return { isReady: false, line: `not ready: ${reasons ?? `${address} has nothing good to serve: look at the log`}` };
}

async function socketPath(flags: SidecarFlags): Promise<string> {
  const { config, listen } = flags;
  const known = listenWithoutFile({ config, listen }, process.env);
  const endpoint = known === undefined ? undefined : parseEndpoint(known);
  if (endpoint?.kind === 'unix') return endpoint.path;
  return (await import('./not-ready.ts')).configuredSocket(flags);
}
