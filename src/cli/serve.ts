import { systemClock } from '../clock.ts';
import type { LoadedConfiguration } from '../config/load.ts';
import { ConfigurationWatch } from '../config/reload.ts';
import { regexChecker } from '../config/values/regex.ts';
import { messageOf } from '../error.ts';
import { type Application, startApplication } from '../sidecar/application.ts';
import { type ConfigurationFlags, configurationOf, load } from './configuration.ts';
import { refuseUnsafe } from './refuse-unsafe.ts';
import { terminated } from './signals.ts';

/**
 * Runs the sidecar until SIGTERM or SIGINT; follows the configuration file, and at SIGHUP loads it again and opens the audit's file anew.
 * Ends the process: an export that is under way would keep it for as long as its collector is silent.
 */
export async function serve(flags: ConfigurationFlags): Promise<void> {
  refuseUnsafe();
  const loaded = await configurationOf(flags);
  const stop = terminated();
  let operated: Application | undefined;
  let watch: ConfigurationWatch | undefined;
  // Also where there is no file to load, and while it starts: by default this signal would end the process.
  process.on('SIGHUP', () => {
    operated?.reopen();
    watch?.reload();
  });
  operated = await startApplication({ loaded, env: process.env, ownsProcess: true });
  watch = await follow(loaded, flags, operated);
  await stop;
  watch?.stop();
  await operated.stop();
  process.exit();
}

async function follow(
  { file, configuration }: LoadedConfiguration,
  flags: ConfigurationFlags,
  operated: Application,
): Promise<ConfigurationWatch | undefined> {
  if (file === undefined) return undefined;
  const regexProblem = await regexChecker();
  const watch = new ConfigurationWatch({
    path: file,
    running: configuration,
    clock: systemClock,
    load: () => load(flags, regexProblem),
    onChange: (changed, changes) => operated.configure(changed, changes),
    onProblem: (error) => operated.reject(messageOf(error)),
  });
  watch.start();
  return watch;
}
