/** The names that well-known SDS clients request. A preset sets defaults; other keys under `names` override them. */

interface Preset {
  readonly names: Readonly<Record<'default_svid' | 'default_bundle' | 'default_all_bundles', string>>;
  readonly prefixes: readonly string[];
}

const SPIRE = { default_svid: 'default', default_bundle: 'ROOTCA', default_all_bundles: 'ALL' } as const;

export const PRESETS = {
  spire: { names: SPIRE, prefixes: [] },
  /** Istio's workloads request `default` and `ROOTCA`, its gateways `sds://NAME`. */
  istio: { names: SPIRE, prefixes: ['sds://'] },
  /** Istio requests only one bundle name, `ROOTCA`. This preset serves the bundles of all trust domains under it. */
  'istio-federation': { names: { ...SPIRE, default_bundle: '', default_all_bundles: 'ROOTCA' }, prefixes: ['sds://'] },
  /** Kuma requests SPIFFE IDs and `ALL`. */
  kuma: { names: SPIRE, prefixes: [] },
} as const satisfies Readonly<Record<string, Preset>>;

/** The value of `names.preset`. */
export type PresetName = keyof typeof PRESETS;

export const PRESET_NAMES = Object.keys(PRESETS) as readonly PresetName[];

/** Every name is also served with each of these prefixes. */
export function prefixesOf(preset: PresetName): readonly string[] {
  return PRESETS[preset].prefixes;
}
