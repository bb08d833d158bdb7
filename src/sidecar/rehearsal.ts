/** What `startSidecar` would refuse, found without starting it. */
import { systemClock } from '../clock.ts';
import type { Configuration } from '../config/schema/schema.ts';
import { UnixListener } from '../server/unix-listener.ts';
import { startNeeds } from './start-needs.ts';

/**
 * Leaves nothing behind. Another process that answers at the SDS socket is no reason to refuse: it may be the one that is to be replaced.
 * @throws SpiffeSdsError as `startSidecar` does
 */
export async function rehearseStart(configuration: Configuration): Promise<void> {
  const { mode, sds } = configuration;
  const { gid } = await startNeeds(configuration);
  if (mode === 'node') await (await import('./node.ts')).nodeNeeds(configuration, systemClock);
  await UnixListener.rehearse({
    path: sds.listen.path,
    mode: sds.mode,
    setting: 'sds.listen',
    ...(gid !== undefined && { gid }),
  });
}
