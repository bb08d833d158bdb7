/** What goes with the files of a release: what is in them, what changed, how they were made, and their sums. */
import { createHash } from 'node:crypto';

/** A file of the release and its SHA-256, in hexadecimal. */
export interface Artifact {
  readonly name: string;
  readonly sha256: string;
}

export interface Made {
  /** Of git. */
  readonly revision: string;
  /** Whether files differ from that revision. */
  readonly changed: boolean;
  readonly version: string;
  readonly node: string;
  readonly npm: string;
}

export function sha256(content: Uint8Array): string {
  return createHash('sha256').update(content).digest('hex');
}

/** As `sha256sum --check` reads it. */
export function checksums(artifacts: readonly Artifact[]): string {
  return artifacts.map(({ name, sha256 }) => `${sha256}  ${name}\n`).join('');
}

/**
 * The section of a version, or of what is not released yet when there is none of that version.
 * @throws when there is neither
 */
export function changesOf(changelog: string, version: string): string {
  const sections = changelog.split(/^(?=## \[)/m);
  const section =
    sections.find((text) => text.startsWith(`## [${version}]`)) ?? sections.find((text) => text.startsWith('## [Unreleased]'));
  if (section === undefined) throw new Error(`CHANGELOG.md has no section ${version} and none that is called Unreleased`);
  return `${section.replace(/^\[[^\]]+\]: .*$/gm, '').trimEnd()}\n`;
}

interface Component {
  readonly name: string;
  readonly version: string;
  readonly group?: string;
}

interface BillOfMaterials {
  readonly components: readonly Component[];
  readonly dependencies: readonly { readonly ref: string; readonly dependsOn?: readonly string[] }[];
}

/**
 * npm's bill of materials (CycloneDX) of the whole checkout, with only what is in the release.
 * @param shipped `NAME@VERSION`
 */
export function shippedOnly<T extends BillOfMaterials>(all: T, shipped: ReadonlySet<string>): T {
  const has = (ref: string) => shipped.has(ref);
  const components = all.components
    .filter(({ name, version }) => has(`${name}@${version}`))
    // npm calls optional what only development needs in node_modules; in the bundle all of it is there.
    .map((component) => ({ ...component, scope: 'required' }));
  const dependencies = all.dependencies
    .filter(({ ref }) => has(ref))
    .map(({ ref, dependsOn = [] }) => ({ ref, dependsOn: dependsOn.filter(has) }));
  return { ...all, components, dependencies };
}

/** The packages that a LICENSES.txt names, as `NAME@VERSION`. */
export function packagesIn(licenses: string): ReadonlySet<string> {
  return new Set([...licenses.matchAll(/^(\S+) (\d+\.\d+\.\d\S*): /gm)].map(([, name, version]) => `${name}@${version}`));
}

/** An in-toto statement with SLSA's provenance. It says what is known here; nobody has signed it. */
export function provenance(artifacts: readonly Artifact[], { revision, changed, version, node, npm }: Made): object {
  return {
    _type: 'https://in-toto.io/Statement/v1',
    subject: artifacts.map(({ name, sha256 }) => ({ name, digest: { sha256 } })),
    predicateType: 'https://slsa.dev/provenance/v1',
    predicate: {
      buildDefinition: {
        buildType: 'https://github.com/spiffe-sds/spiffe-sds/blob/main/docs/releasing.md',
        externalParameters: { version },
        internalParameters: { node, npm, uncommittedChanges: changed },
        resolvedDependencies: [{ uri: 'git+https://github.com/spiffe-sds/spiffe-sds', digest: { gitCommit: revision } }],
      },
      runDetails: { builder: { id: 'npm run release:dry' } },
    },
  };
}
