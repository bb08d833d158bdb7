/** From flags, environment and file to the configuration in force. */

import * as z from 'zod';
import { messageOf, SpiffeSdsError } from '../error.ts';
import { expectation, explain } from './problems.ts';
import { type Configuration, configurationSchema } from './schema.ts';
import { configurationFile, type Environment, type Flags, overridesOf, sourcesOf, withOverrides } from './sources.ts';
import { parseYaml, type YamlFile } from './yaml-file.ts';

export interface ConfigurationInputs {
  readonly flags: Flags;
  readonly env: Environment;
  /** The text of a file; throws when it cannot be read. */
  readonly readFile: (path: string) => string;
}

export interface LoadedConfiguration {
  readonly configuration: Configuration;
  /** For each value that is set (`sds.listen`): `default`, `file /etc/x.yaml:7`, `environment SPIFFE_SDS_LISTEN`, `flag --listen`. */
  readonly sources: ReadonlyMap<string, string>;
}

/**
 * Flags win over environment, environment over file, file over defaults; an empty variable counts as unset.
 * @throws SpiffeSdsError `config_unreadable`, or `config_invalid` with a line for each problem.
 */
export function loadConfiguration({ flags, env, readFile }: ConfigurationInputs): LoadedConfiguration {
  const file = openFile(flags, env, readFile);
  const overrides = overridesOf(flags, env);
  const tree = withOverrides(file.content, overrides);
  const result = configurationSchema.safeParse(tree, { error: expectation });
  const problems = [...file.problems, ...(result.success ? [] : explain(result.error.issues, tree, file, overrides))];
  if (!result.success || problems.length > 0) {
    throw new SpiffeSdsError('config_invalid', ['cannot use this configuration:', ...problems].join('\n  '));
  }
  const effective = z.encode(configurationSchema, result.data);
  return { configuration: result.data, sources: sourcesOf(effective, file, overrides) };
}

function openFile(flags: Flags, env: Environment, readFile: (path: string) => string): YamlFile {
  const file = configurationFile(flags, env);
  if (file === undefined) return parseYaml('', '');
  try {
    return parseYaml(file.text, readFile(file.text));
  } catch (error) {
    const message = `cannot read the configuration file ${JSON.stringify(file.text)} (${file.source}): ${messageOf(error)}`;
    throw new SpiffeSdsError('config_unreadable', `${message}; name a file that this user may read`, { cause: error });
  }
}
