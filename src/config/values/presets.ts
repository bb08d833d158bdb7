/** What well-known consumers ask for. A preset gives defaults: what stands beside it under `names` wins. */

interface Preset {
  readonly names: Readonly<Record<'default_svid' | 'default_bundle' | 'default_all_bundles', string>>;
  readonly prefixes: readonly string[];
}

const SPIRE = { default_svid: 'default', default_bundle: 'ROOTCA', default_all_bundles: 'ALL' } as const;

export const PRESETS = {
  spire: { names: SPIRE, prefixes: [] },
  /** Its workloads ask for `default` and `ROOTCA`, its gateways for `sds://NAME`. */
  istio: { names: SPIRE, prefixes: ['sds://'] },
  /** Several trust domains behind the one name that it asks for. */
  'istio-federation': { names: { ...SPIRE, default_bundle: '', default_all_bundles: 'ROOTCA' }, prefixes: ['sds://'] },
  /** It asks for SPIFFE IDs and `ALL`. */
  kuma: { names: SPIRE, prefixes: [] },
} as const satisfies Readonly<Record<string, Preset>>;

export type PresetName = keyof typeof PRESETS;

export const PRESET_NAMES = Object.keys(PRESETS) as readonly PresetName[];

/** Every name is served with each of these before it, too. */
export function prefixesOf(preset: PresetName): readonly string[] {
  return PRESETS[preset].prefixes;
}
