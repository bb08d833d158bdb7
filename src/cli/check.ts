import { formatConfiguration } from '../config/format.ts';
import { startNeeds } from '../sidecar/start-needs.ts';
import { type ConfigurationFlags, configurationOf } from './configuration.ts';

/** Prints the effective configuration. What `serve` would refuse it refuses, in the same words: for people, with a line for each problem. */
export async function check(flags: ConfigurationFlags): Promise<void> {
  const loaded = await configurationOf(flags);
  await startNeeds(loaded.configuration);
  process.stdout.write(formatConfiguration(loaded));
}
