import { dirname } from 'node:path';
import { formatConfiguration } from '../config/format.ts';
import { adviceOn } from '../config/rules/advice.ts';
import type { Configuration } from '../config/schema/schema.ts';
import { isOpenToAll } from '../server/unix-listener.ts';
import { startNeeds } from '../sidecar/start-needs.ts';
import { type ConfigurationFlags, configurationOf } from './configuration.ts';

/**
 * Prints the effective configuration. What `serve` would refuse it refuses, in the same words: for people, with a line for each problem.
 * What is legal and unwise stands on stderr.
 */
export async function check(flags: ConfigurationFlags): Promise<void> {
  const loaded = await configurationOf(flags);
  await startNeeds(loaded.configuration);
  for (const advice of await allAdvice(loaded.configuration)) process.stderr.write(`warning: ${advice}\n`);
  process.stdout.write(formatConfiguration(loaded));
}

/** With what only the machine tells. */
export async function allAdvice(configuration: Configuration): Promise<readonly string[]> {
  const folder = dirname(configuration.sds.listen.path);
  const open = await isOpenToAll(folder);
  const mend = `sds.listen: everybody may put another socket in its place in ${folder}: chmod o-w ${folder}`;
  return [...adviceOn(configuration), ...(open ? [mend] : [])];
}
