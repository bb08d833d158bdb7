/** What `status --ready` needs when the quick way is not enough: the configuration file, and the reasons of the admin API. */
import { configurationOf } from './configuration.ts';
import { askStatus, type SidecarFlags } from './status.ts';

/** The path of the SDS socket. */
export async function configuredSocket(flags: SidecarFlags): Promise<string> {
  return (await configurationOf(flags)).configuration.sds.listen.path;
}

/** Why it is not ready, as its admin API tells it. */
export async function reasonsFrom(flags: SidecarFlags, timeoutMs: number): Promise<string | undefined> {
  const asked = await askStatus(flags, timeoutMs);
  if (asked === 'off') return undefined;
  const failed = asked.status.checks.filter(({ ok }) => !ok);
  return failed.length === 0 ? undefined : failed.map(({ name, reason }) => `${name} failed: ${reason}`).join('; ');
}
