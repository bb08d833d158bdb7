import { describe, expect, test } from 'vitest';
import { packagesIn, releasedBill } from '../../deploy/release/bill.ts';
import { changesOf, checksums, provenance } from '../../deploy/release/papers.ts';

const ARTIFACTS = [{ name: 'a.tgz', sha256: 'ab' }];
const LIBRARY = { uri: 'pkg:deb/debian/libc6@2.36?arch=arm64', sha256: 'cd' };
const CHANGELOG =
  '# Changelog\n\n## [Unreleased]\n\nnew\n\n## [0.2.0] - 2026\n\ntwo\n\n## [0.1.0]\n\none\n\n[0.1.0]: https://x\n';

test('the changes of a version are its section; those of none are what is not released', () => {
  expect(changesOf(CHANGELOG, '0.2.0')).toBe('## [0.2.0] - 2026\n\ntwo\n');
  expect(changesOf(CHANGELOG, '0.1.0')).toBe('## [0.1.0]\n\none\n');
  expect(changesOf(CHANGELOG, '0.3.0')).toBe('## [Unreleased]\n\nnew\n');
  expect(() => changesOf('# Changelog\n', '0.3.0')).toThrow('no section 0.3.0');
});

describe('the bill of materials', () => {
  const component = (name: string, version: string) => ({
    'bom-ref': `${name}@${version}`,
    name,
    version,
    purl: `pkg:npm/${name}@${version}`,
    scope: 'optional',
  });
  const all = {
    serialNumber: 'urn:uuid:random',
    metadata: { timestamp: 'now', component: { ...component('own', '1.0.0'), name: 'folder', type: 'library' } },
    components: [component('@a/b', '1.0.0'), component('c', '2.0.0-rc.1'), component('builder', '1.0.0')],
    dependencies: [
      { ref: 'own@1.0.0', dependsOn: ['@a/b@1.0.0', 'builder@1.0.0'] },
      { ref: '@a/b@1.0.0', dependsOn: ['c@2.0.0-rc.1', 'builder@1.0.0'] },
      { ref: 'builder@1.0.0' },
    ],
  };
  const options = { shipped: packagesIn('@a/b 1.0.0: MIT\nc 2.0.0-rc.1: MIT\n\nlicense text 1.0\n'), revision: 'f00', epoch: 60 };

  test('lists what the bundle contains, and nothing that only builds it', () => {
    expect(options.shipped).toEqual(new Set(['@a/b@1.0.0', 'c@2.0.0-rc.1']));
    const { components, dependencies } = releasedBill(all, options);
    expect(components).toMatchObject([
      { name: '@a/b', version: '1.0.0', scope: 'required' },
      { name: 'c', version: '2.0.0-rc.1', scope: 'required' },
    ]);
    expect(dependencies).toEqual([
      { ref: 'own@1.0.0', dependsOn: ['@a/b@1.0.0'] },
      { ref: '@a/b@1.0.0', dependsOn: ['c@2.0.0-rc.1'] },
    ]);
  });

  test('is the same for the same revision, and is of spiffe-sds in whatever folder it was made', () => {
    const bill = releasedBill(all, options);
    expect(bill.metadata).toMatchObject({
      timestamp: '1970-01-01T00:01:00.000Z',
      component: { type: 'application', name: 'own' },
    });
    expect(bill.serialNumber).toMatch(/^urn:uuid:[0-9a-f-]{36}$/);
    expect(releasedBill({ ...all, serialNumber: 'urn:uuid:other' }, options)).toEqual(bill);
    expect(releasedBill(all, { ...options, revision: 'ba4' }).serialNumber).not.toBe(bill.serialNumber);
  });
});

test('sha256sum reads the sums', () => {
  expect(checksums(ARTIFACTS)).toBe('ab  a.tgz\n');
});

test('the provenance names each file, the revision, whether files differed from it, and each package of others once', () => {
  const made = { revision: 'f00', changed: true, version: '0.1.0', node: 'v24', npm: '11', materials: [LIBRARY, LIBRARY] };
  expect(provenance(ARTIFACTS, made)).toMatchObject({
    subject: [{ name: 'a.tgz', digest: { sha256: 'ab' } }],
    predicate: {
      buildDefinition: {
        internalParameters: { uncommittedChanges: true },
        resolvedDependencies: [{ digest: { gitCommit: 'f00' } }, { uri: LIBRARY.uri, digest: { sha256: 'cd' } }],
      },
    },
  });
});
