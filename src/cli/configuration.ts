/** The configuration as the command line, this process's environment and its files give it. */
import { readFileSync } from 'node:fs';
import { type LoadedConfiguration, loadConfiguration } from '../config/load.ts';

/** The options that commands share, as commander spells them. */
export interface ConfigurationFlags {
  readonly config?: string;
  readonly workloadApi?: string;
  readonly listen?: string;
  readonly logLevel?: string;
  readonly logFormat?: string;
}

/** @throws SpiffeSdsError `config_invalid` or `config_unreadable` */
export function configurationOf({ config, workloadApi, listen, logLevel, logFormat }: ConfigurationFlags): LoadedConfiguration {
  return loadConfiguration({
    flags: { config, workload_api: workloadApi, listen, log_level: logLevel, log_format: logFormat },
    env: process.env,
    readFile: (path) => readFileSync(path, 'utf8'),
  });
}
