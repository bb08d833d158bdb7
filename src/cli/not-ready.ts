/** What `status --ready` needs when the quick way is not enough: the configuration file, and the reasons of the admin API. */
import { askAdmin } from './admin-client.ts';
import { configurationOf } from './configuration.ts';
import type { ReadyFlags } from './ready.ts';
import { adminAddress } from './status.ts';

/** The path of the SDS socket. */
export async function configuredSocket({ config, listen }: Pick<ReadyFlags, 'config' | 'listen'>): Promise<string> {
  const flags = { ...(config !== undefined && { config }), ...(listen !== undefined && { listen }) };
  return (await configurationOf(flags)).configuration.sds.listen.path;
}

/** Why it is not ready, as /readyz tells it. */
export async function reasonsFrom(flags: ReadyFlags, timeoutMs: number): Promise<string | undefined> {
  const endpoint = await adminAddress(flags);
  if (endpoint === 'off') return undefined;
  const { body } = await askAdmin(endpoint, '/readyz', timeoutMs);
  const failed = body.split('\n').filter((line) => line.startsWith('[-]'));
  return failed.length === 0 ? undefined : failed.map((line) => line.slice('[-]'.length)).join('; ');
}
