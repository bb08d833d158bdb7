import { systemClock } from '../clock.ts';
import type { LoadedConfiguration } from '../config/load.ts';
import { regexChecker } from '../config/regex.ts';
import { ConfigurationWatch } from '../config/reload.ts';
import { messageOf } from '../error.ts';
import { type Sidecar, startSidecar } from '../sidecar.ts';
import { type Log, openLog } from '../telemetry/log.ts';
import { type ConfigurationFlags, configurationOf, load } from './configuration.ts';
import { terminated } from './signals.ts';

/** Runs the sidecar until SIGTERM or SIGINT; follows the configuration file, and loads it again at SIGHUP. */
export async function serve(flags: ConfigurationFlags): Promise<void> {
  const loaded = await configurationOf(flags);
  const stop = terminated();
  const log = await openLog(loaded.configuration.log);
  const sidecar = await startSidecar({ configuration: loaded.configuration, events: log.events });
  const stopFollowing = await follow(loaded, flags, sidecar, log);
  await stop;
  stopFollowing();
  await sidecar.stop();
}

async function follow(
  { file, configuration }: LoadedConfiguration,
  flags: ConfigurationFlags,
  sidecar: Sidecar,
  log: Log,
): Promise<() => void> {
  if (file === undefined) {
    // Without a file there is nothing to load; and SIGHUP, which ends a process by default, is no reason to end.
    process.on('SIGHUP', () => undefined);
    return () => undefined;
  }
  const regexProblem = await regexChecker();
  const watch = new ConfigurationWatch({
    path: file,
    running: configuration,
    clock: systemClock,
    load: () => load(flags, regexProblem),
    onChange({ configuration: changed }, { live, needRestart }) {
      log.setLevel(changed.log.level);
      sidecar.configure(changed);
      log.events({ type: 'configuration_reloaded', changed: live, needRestart });
    },
    onProblem: (error) => log.events({ type: 'configuration_rejected', reason: messageOf(error) }),
  });
  process.on('SIGHUP', () => watch.reload());
  watch.start();
  return () => watch.stop();
}
