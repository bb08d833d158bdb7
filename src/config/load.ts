/** Loads the configuration from flags, environment and file. */

import * as z from 'zod';
import { messageOf, SpiffeSdsError } from '../error.ts';
import { adminProblems } from './rules/admin-rules.ts';
import { brokerProblems } from './rules/broker-rules.ts';
import { nameClashes } from './rules/names-in-force.ts';
import { expectation, explain } from './rules/problems.ts';
import { mergeProblems, regexProblems } from './rules/secret-rules.ts';
import { workloadApiProblems } from './rules/workload-api-rules.ts';
import { type Configuration, configurationSchema } from './schema/schema.ts';
import {
  configurationFile,
  type Environment,
  type Flags,
  type Given,
  overridesOf,
  sourcesOf,
  withOverrides,
  withPreset,
} from './source/sources.ts';
import { parseYaml, type YamlFile } from './source/yaml-file.ts';
import type { RegexProblem } from './values/regex.ts';

/** Where the configuration comes from. */
export interface ConfigurationInputs {
  readonly flags: Flags;
  readonly env: Environment;
  /** Returns the text of a file; throws when it cannot be read. */
  readonly readFile: (path: string) => string;
  /** Default: regular expressions are not checked. */
  readonly regexProblem?: RegexProblem | undefined;
}

/** A valid configuration, and where it comes from. */
export interface LoadedConfiguration {
  readonly configuration: Configuration;
  /** The source of each value. The keys are paths, see `sourcesOf`. */
  readonly sources: ReadonlyMap<string, string>;
  /** The path of the configuration file; absent when none was given. */
  readonly file?: string;
}

/**
 * Merges all sources and checks the result. The first source that has a value wins: flag, environment variable (an empty one counts as
 * unset), file, preset of the file, default.
 * @throws SpiffeSdsError `config_unreadable`, or `config_invalid` with one line for each problem
 */
export function loadConfiguration({
  flags,
  env,
  readFile,
  regexProblem = () => undefined,
}: ConfigurationInputs): LoadedConfiguration {
  const named = configurationFile(flags, env);
  const file = named === undefined ? parseYaml('', '') : openFile(named, readFile);
  const overrides = overridesOf(flags, env);
  const tree = withPreset(withOverrides(file.content, overrides));
  const result = configurationSchema.safeParse(tree, { error: expectation });
  const issues = result.success
    ? [
        ...nameClashes(result.data),
        ...mergeProblems(result.data),
        ...regexProblems(result.data, regexProblem),
        ...adminProblems(result.data),
        ...brokerProblems(result.data),
        ...workloadApiProblems(result.data),
      ]
    : result.error.issues;
  const problems = [...file.problems, ...explain(issues, tree, file, overrides)];
  if (!result.success || problems.length > 0) {
    throw new SpiffeSdsError('config_invalid', ['cannot use this configuration:', ...problems].join('\n  '));
  }
  const effective = z.encode(configurationSchema, result.data);
  const sources = sourcesOf(effective, result.data.names.preset, file, overrides);
  return { configuration: result.data, sources, ...(named !== undefined && { file: named.text }) };
}

function openFile({ text: path, source }: Given, readFile: (path: string) => string): YamlFile {
  try {
    return parseYaml(path, readFile(path));
  } catch (error) {
    const message = `cannot read the configuration file ${JSON.stringify(path)} (${source}): ${messageOf(error)}`;
    throw new SpiffeSdsError('config_unreadable', `${message}; name a file that this user may read`, { cause: error });
  }
}
