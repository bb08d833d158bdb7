import { formatConfiguration } from '../config/format.ts';
import { type ConfigurationFlags, configurationOf } from './configuration.ts';

/** Prints the effective configuration. Its failure is an error for people, with a line for each problem. */
export async function check(flags: ConfigurationFlags): Promise<void> {
  process.stdout.write(formatConfiguration(await configurationOf(flags)));
}
