import { type ConfigurationInputs, type LoadedConfiguration, loadConfiguration } from '../../../src/config/load.ts';
import { messageOf } from '../../../src/error.ts';

/** Loads a configuration whose file, `/x.yaml`, has this text. */
export function loadText(text: string, { flags, env, ...rest }: Partial<ConfigurationInputs> = {}): LoadedConfiguration {
  return loadConfiguration({ readFile: () => text, ...rest, flags: { config: '/x.yaml', ...flags }, env: env ?? {} });
}

/** The problems that loading tells, one for each line. */
export function problemsOf(text: string, inputs?: Partial<ConfigurationInputs>): readonly string[] {
  try {
    loadText(text, inputs);
  } catch (error) {
    return messageOf(error).split('\n  ').slice(1);
  }
  return [];
}
