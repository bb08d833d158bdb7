import { startSidecar } from '../sidecar.ts';
import { openLog } from '../telemetry/log.ts';
import { type ConfigurationFlags, configurationOf } from './configuration.ts';
import { terminated } from './signals.ts';

/** Runs the sidecar until SIGTERM or SIGINT. */
export async function serve(flags: ConfigurationFlags): Promise<void> {
  const { configuration } = configurationOf(flags);
  const stop = terminated();
  const sidecar = await startSidecar({ configuration, events: await openLog(configuration.log) });
  await stop;
  await sidecar.stop();
}
