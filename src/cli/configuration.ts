/** The configuration as the command line, this process's environment and its files give it. */
import { readFileSync } from 'node:fs';
import { type LoadedConfiguration, loadConfiguration } from '../config/load.ts';
import { type RegexProblem, regexChecker } from '../config/values/regex.ts';

/** The options that commands share, as commander spells them. */
export interface ConfigurationFlags {
  readonly config?: string;
  readonly workloadApi?: string;
  readonly listen?: string;
  readonly admin?: string;
  readonly logLevel?: string;
  readonly logFormat?: string;
}

/** @throws SpiffeSdsError `config_invalid` or `config_unreadable` */
export async function configurationOf(flags: ConfigurationFlags): Promise<LoadedConfiguration> {
  const loaded = load(flags);
  const matchers = loaded.configuration.secrets.flatMap((secret) => ('validation' in secret ? secret.validation.match : []));
  // What knows Envoy's regular expressions is loaded only for those who use them.
  return matchers.some((matcher) => 'regex' in matcher) ? load(flags, await regexChecker()) : loaded;
}

/** @throws SpiffeSdsError `config_invalid` or `config_unreadable` */
export function load(
  { config, workloadApi, listen, admin, logLevel, logFormat }: ConfigurationFlags,
  regexProblem?: RegexProblem,
): LoadedConfiguration {
  return loadConfiguration({
    flags: { config, workload_api: workloadApi, listen, admin, log_level: logLevel, log_format: logFormat },
    env: process.env,
    readFile: (path) => readFileSync(path, 'utf8'),
    ...(regexProblem && { regexProblem }),
  });
}
