/** The sources of values. The first one that has a value wins: flag, environment, file, preset of the file, default. */

import { isMapping } from '../../mapping.ts';
import { PRESETS, type PresetName } from '../values/presets.ts';
import type { YamlFile } from './yaml-file.ts';

/** The flags of `serve` and `dev`. */
export interface Flags {
  readonly config?: string | undefined;
  readonly workload_api?: string | undefined;
  readonly listen?: string | undefined;
  readonly admin?: string | undefined;
  readonly log_level?: string | undefined;
  readonly log_format?: string | undefined;
}

export type Environment = Readonly<Record<string, string | undefined>>;

/** A text and its source: `flag --listen`, `environment SPIFFE_SDS_LISTEN`. */
export interface Given {
  readonly text: string;
  readonly source: string;
}

export const DEFAULT_LISTEN = 'unix:///run/spiffe-sds/sds.sock';

/** The values that a flag or an environment variable can set. */
export const SETTINGS = [
  { section: 'workload_api', key: 'address', flag: 'workload_api', variable: 'SPIFFE_ENDPOINT_SOCKET' },
  { section: 'broker', key: 'address', flag: undefined, variable: 'SPIFFE_BROKER_SOCKET' },
  { section: 'sds', key: 'listen', flag: 'listen', variable: 'SPIFFE_SDS_LISTEN' },
  { section: 'admin', key: 'listen', flag: 'admin', variable: 'SPIFFE_SDS_ADMIN' },
  { section: 'admin', key: 'probes', flag: undefined, variable: 'SPIFFE_SDS_PROBES' },
  { section: 'log', key: 'level', flag: 'log_level', variable: 'SPIFFE_SDS_LOG_LEVEL' },
  { section: 'log', key: 'format', flag: 'log_format', variable: 'SPIFFE_SDS_LOG_FORMAT' },
] as const;

/** The path of the configuration file; undefined when none was given. */
export function configurationFile(flags: Flags, env: Environment): Given | undefined {
  return given(flags, env, 'config', 'SPIFFE_SDS_CONFIG');
}

/** The value of `sds.listen` if it is known without reading the configuration file. */
export function listenWithoutFile(flags: Flags, env: Environment): string | undefined {
  const found = given(flags, env, 'listen', 'SPIFFE_SDS_LISTEN')?.text;
  return found ?? (configurationFile(flags, env) === undefined ? DEFAULT_LISTEN : undefined);
}

/** The values from flags and environment. The keys are paths: `sds.listen`. */
export function overridesOf(flags: Flags, env: Environment): ReadonlyMap<string, Given> {
  const overrides = new Map<string, Given>();
  for (const { section, key, flag, variable } of SETTINGS) {
    const found = given(flags, env, flag, variable);
    if (found !== undefined) overrides.set(`${section}.${key}`, found);
  }
  return overrides;
}

/** The content of a file with the overrides. Content that is not a mapping stays as it is, and the schema refuses it. */
export function withOverrides(content: unknown, overrides: ReadonlyMap<string, Given>): unknown {
  const root = content ?? {};
  if (!isMapping(root)) return root;
  // YAML reads a section whose keys are all commented out as null.
  const tree = Object.fromEntries(Object.entries(root).filter(([, value]) => value !== null));
  for (const { section, key } of SETTINGS) {
    const override = overrides.get(`${section}.${key}`);
    // A flag or a variable takes the place of a whole list, too.
    const at = Array.isArray(tree[section]) ? {} : (tree[section] ?? {});
    if (override !== undefined && isMapping(at)) tree[section] = { ...at, [key]: override.text };
  }
  return tree;
}

/** The content of a file with the names of its preset. */
export function withPreset(tree: unknown): unknown {
  const names = isMapping(tree) ? tree['names'] : undefined;
  if (!isMapping(tree) || !isMapping(names)) return tree;
  const preset = String(names['preset']);
  return Object.hasOwn(PRESETS, preset) ? { ...tree, names: { ...PRESETS[preset as PresetName].names, ...names } } : tree;
}

/**
 * The source of each value: `default`, `preset istio`, `file /etc/x.yaml:7`, or as in `Given`.
 * @returns a map whose keys are paths: `sds.listen`, `secrets.0.name`
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

function given(flags: Flags, env: Environment, flag: keyof Flags | undefined, variable: string): Given | undefined {
  const text = flag === undefined ? undefined : flags[flag];
  if (text !== undefined) return { text, source: `flag --${String(flag).replaceAll('_', '-')}` };
  const value = env[variable];
  return value === undefined || value === '' ? undefined : { text: value, source: `environment ${variable}` };
}

/** The paths of all values that are not a mapping or a list with items. */
function leaves(value: unknown, path: readonly string[] = []): readonly (readonly string[])[] {
  const below = isMapping(value) ? Object.entries(value) : Array.isArray(value) ? Object.entries<unknown>(value) : [];
  if (below.length > 0) return below.flatMap(([key, part]) => leaves(part, [...path, key]));
  return value === undefined || isMapping(value) ? [] : [path];
}
