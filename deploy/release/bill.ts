/** The bill of materials (CycloneDX) of what is in the bundle. */
import { createHash } from 'node:crypto';

interface Component {
  readonly 'bom-ref': string;
  readonly name: string;
  readonly version: string;
  /** With its scope: `@grpc/grpc-js`. */
  readonly purl: string;
}

interface Dependency {
  readonly ref: string;
  readonly dependsOn?: readonly string[];
}

export interface BillOfMaterials {
  readonly serialNumber: string;
  readonly metadata: { readonly timestamp: string; readonly component: Component };
  readonly components: readonly Component[];
  readonly dependencies: readonly Dependency[];
}

export interface BillOptions {
  /** What is in the bundle: `NAME@VERSION`. */
  readonly shipped: ReadonlySet<string>;
  /** Of git. */
  readonly revision: string;
  /** Seconds since 1970. */
  readonly epoch: number;
}

/**
 * @param all npm's bill of the whole checkout
 * @returns the same with only what is in the release; the same for the same revision, wherever it is made
 */
export function releasedBill<T extends BillOfMaterials>(all: T, { shipped, revision, epoch }: BillOptions): T {
  const [own] = all.metadata.component.purl.replace('pkg:npm/', '').split('@');
  const root = all.metadata.component['bom-ref'];
  const has = (ref: string) => ref === root || shipped.has(ref);
  const components = all.components
    .filter(({ 'bom-ref': ref }) => has(ref))
    // npm calls optional what only development needs in node_modules; in the bundle all of it is there.
    .map((component) => ({ ...component, scope: 'required' }));
  const dependencies = all.dependencies
    .filter(({ ref }) => has(ref))
    .map(({ ref, dependsOn = [] }) => ({ ref, dependsOn: dependsOn.filter(has) }));
  return {
    ...all,
    serialNumber: `urn:uuid:${uuidOf(`${root} ${revision}`)}`,
    metadata: {
      ...all.metadata,
      timestamp: new Date(epoch * 1000).toISOString(),
      // npm names it after the folder of the checkout.
      component: { ...all.metadata.component, type: 'application', name: own },
    },
    components,
    dependencies,
  };
}

/** The packages that a LICENSES.txt names, as `NAME@VERSION`. */
export function packagesIn(licenses: string): ReadonlySet<string> {
  return new Set([...licenses.matchAll(/^(\S+) (\d+\.\d+\.\d\S*): /gm)].map(([, name, version]) => `${name}@${version}`));
}

/** Of version 8 (RFC 9562, section 5.8): its content is ours, here a digest. */
function uuidOf(text: string): string {
  const hex = createHash('sha256').update(text).digest('hex');
  return [hex.slice(0, 8), hex.slice(8, 12), `8${hex.slice(13, 16)}`, `8${hex.slice(17, 20)}`, hex.slice(20, 32)].join('-');
}
