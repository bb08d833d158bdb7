/** The configuration in force as the status shows it: its digest, each value, and where that came from. */
import { configurationDigest } from '../config/digest.ts';
import { shownConfiguration } from '../config/format.ts';
import type { LoadedConfiguration } from '../config/load.ts';
import { isMapping } from '../mapping.ts';

export interface ConfigurationValue {
  /** As in the file. */
  readonly value: unknown;
  /** `flag --listen`, `environment SPIFFE_SDS_LISTEN`, `file NAME:LINE`, `preset NAME`, `default`. */
  readonly source: string;
}

export interface ShownValues {
  readonly digest: string;
  /** By path, as `sds.listen`. */
  readonly values: Readonly<Record<string, ConfigurationValue>>;
}

const shown = new WeakMap<LoadedConfiguration, ShownValues>();

/** Made once for each configuration. */
export function shownValues(loaded: LoadedConfiguration): ShownValues {
  const known = shown.get(loaded);
  if (known !== undefined) return known;
  const { configuration, sources } = loaded;
  const tree = shownConfiguration(configuration);
  const values = [...sources].map(([path, source]) => [path, { value: at(tree, path.split('.')), source }] as const);
  const made = { digest: configurationDigest(configuration), values: Object.fromEntries(values) };
  shown.set(loaded, made);
  return made;
}

function at(tree: unknown, [key, ...rest]: readonly string[]): unknown {
  if (key === undefined) return tree;
  if (Array.isArray(tree)) return at(tree[Number(key)], rest);
  return isMapping(tree) ? at(tree[key], rest) : undefined;
}
