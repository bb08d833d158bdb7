/** Where a value comes from: a flag, the environment, the file, its preset or the defaults, in this order. */

import { isMapping } from '../../mapping.ts';
import { PRESETS, type PresetName } from '../values/presets.ts';
import type { YamlFile } from './yaml-file.ts';

/** What `serve` and `dev` take on the command line. */
export interface Flags {
  readonly config?: string | undefined;
  readonly workload_api?: string | undefined;
  readonly listen?: string | undefined;
  readonly admin?: string | undefined;
  readonly log_level?: string | undefined;
  readonly log_format?: string | undefined;
}

export type Environment = Readonly<Record<string, string | undefined>>;

/** A text that was given, and where: `flag --listen`, `environment SPIFFE_SDS_LISTEN`. */
export interface Given {
  readonly text: string;
  readonly source: string;
}

export const DEFAULT_LISTEN = 'unix:///run/spiffe-sds/sds.sock';

/** What a flag or a variable can give in place of the file. */
export const SETTINGS = [
  { section: 'workload_api', key: 'address', flag: 'workload_api', variable: 'SPIFFE_ENDPOINT_SOCKET' },
  { section: 'sds', key: 'listen', flag: 'listen', variable: 'SPIFFE_SDS_LISTEN' },
  { section: 'admin', key: 'listen', flag: 'admin', variable: 'SPIFFE_SDS_ADMIN' },
  { section: 'log', key: 'level', flag: 'log_level', variable: 'SPIFFE_SDS_LOG_LEVEL' },
  { section: 'log', key: 'format', flag: 'log_format', variable: 'SPIFFE_SDS_LOG_FORMAT' },
] as const;

/** The name of the configuration file, if one was given. */
export function configurationFile(flags: Flags, env: Environment): Given | undefined {
  return given(flags, env, 'config', 'SPIFFE_SDS_CONFIG');
}

/** What `sds.listen` is, as far as no file has to be read for it. */
export function listenWithoutFile(flags: Flags, env: Environment): string | undefined {
  const found = given(flags, env, 'listen', 'SPIFFE_SDS_LISTEN')?.text;
  return found ?? (configurationFile(flags, env) === undefined ? DEFAULT_LISTEN : undefined);
}

/** What flags and environment say, by the path of the value: `sds.listen`. */
export function overridesOf(flags: Flags, env: Environment): ReadonlyMap<string, Given> {
  const overrides = new Map<string, Given>();
  for (const { section, key, flag, variable } of SETTINGS) {
    const found = given(flags, env, flag, variable);
    if (found !== undefined) overrides.set(`${section}.${key}`, found);
  }
  return overrides;
}

/** The content of a file with the overrides put in; what is no mapping stays as it is, for the schema to refuse. */
export function withOverrides(content: unknown, overrides: ReadonlyMap<string, Given>): unknown {
  const root = content ?? {};
  if (!isMapping(root)) return root;
  // A section whose keys are all commented out reads as null.
  const tree = Object.fromEntries(Object.entries(root).filter(([, value]) => value !== null));
  for (const { section, key } of SETTINGS) {
    const override = overrides.get(`${section}.${key}`);
    const at = tree[section] ?? {};
    if (override !== undefined && isMapping(at)) tree[section] = { ...at, [key]: override.text };
  }
  return tree;
}

/** The content of a file with the names that its preset gives put in. */
export function withPreset(tree: unknown): unknown {
  const names = isMapping(tree) ? tree['names'] : undefined;
  if (!isMapping(tree) || !isMapping(names)) return tree;
  const preset = String(names['preset']);
  return Object.hasOwn(PRESETS, preset) ? { ...tree, names: { ...PRESETS[preset as PresetName].names, ...names } } : tree;
}

/**
 * Where each value comes from: `default`, `preset istio`, `file /etc/x.yaml:7`, or as in `Given`.
 * @returns by the path of the value: `sds.listen`, `secrets.0.name`
 */
export function sourcesOf(
  tree: unknown,
  preset: PresetName,
  file: YamlFile,
  overrides: ReadonlyMap<string, Given>,
): ReadonlyMap<string, string> {
  const sourceOf = (path: readonly string[]) => {
    const override = overrides.get(path.join('.'));
    if (override !== undefined) return override.source;
    const place = file.find(path);
    if (place !== undefined) return `file ${file.name}:${place.line}`;
    const [section, key = ''] = path;
    const given = section === 'names' && key in PRESETS[preset].names && file.find(['names', 'preset']) !== undefined;
    return given ? `preset ${preset}` : 'default';
  };
  return new Map(leaves(tree).map((path) => [path.join('.'), sourceOf(path)]));
}

function given(flags: Flags, env: Environment, flag: keyof Flags, variable: string): Given | undefined {
  const text = flags[flag];
  if (text !== undefined) return { text, source: `flag --${flag.replaceAll('_', '-')}` };
  const value = env[variable];
  return value === undefined || value === '' ? undefined : { text: value, source: `environment ${variable}` };
}

/** The paths of all that is set and neither a mapping nor a list with something in it. */
function leaves(value: unknown, path: readonly string[] = []): readonly (readonly string[])[] {
  const below = isMapping(value) ? Object.entries(value) : Array.isArray(value) ? Object.entries<unknown>(value) : [];
  if (below.length > 0) return below.flatMap(([key, part]) => leaves(part, [...path, key]));
  return value === undefined || isMapping(value) ? [] : [path];
}
