import { expect, test } from 'vitest';
import { changesOf, checksums, packagesIn, provenance, shippedOnly } from '../../deploy/release/papers.ts';

const ARTIFACTS = [{ name: 'a.tgz', sha256: 'ab' }];
const CHANGELOG =
  '# Changelog\n\n## [Unreleased]\n\nnew\n\n## [0.2.0] - 2026\n\ntwo\n\n## [0.1.0]\n\none\n\n[0.1.0]: https://x\n';

test('the changes of a version are its section; those of none are what is not released', () => {
  expect(changesOf(CHANGELOG, '0.2.0')).toBe('## [0.2.0] - 2026\n\ntwo\n');
  expect(changesOf(CHANGELOG, '0.1.0')).toBe('## [0.1.0]\n\none\n');
  expect(changesOf(CHANGELOG, '0.3.0')).toBe('## [Unreleased]\n\nnew\n');
  expect(() => changesOf('# Changelog\n', '0.3.0')).toThrow('no section 0.3.0');
});

test('the bill of materials lists what the bundle contains, and nothing that only builds it', () => {
  const shipped = packagesIn('@a/b 1.0.0: MIT\nc 2.0.0-rc.1: MIT\n\nlicense text 1.0\n');
  expect(shipped).toEqual(new Set(['@a/b@1.0.0', 'c@2.0.0-rc.1']));
  const component = (name: string, version: string) => ({ name, version, scope: 'optional' });
  const all = {
    components: [component('@a/b', '1.0.0'), component('c', '2.0.0-rc.1'), component('builder', '1.0.0')],
    dependencies: [{ ref: '@a/b@1.0.0', dependsOn: ['c@2.0.0-rc.1', 'builder@1.0.0'] }, { ref: 'builder@1.0.0' }],
  };
  expect(shippedOnly(all, shipped)).toEqual({
    components: [
      { name: '@a/b', version: '1.0.0', scope: 'required' },
      { name: 'c', version: '2.0.0-rc.1', scope: 'required' },
    ],
    dependencies: [{ ref: '@a/b@1.0.0', dependsOn: ['c@2.0.0-rc.1'] }],
  });
});

test('sha256sum reads the sums', () => {
  expect(checksums(ARTIFACTS)).toBe('ab  a.tgz\n');
});

test('the provenance names each file, the revision, and whether files differed from it', () => {
  const made = { revision: 'f00', changed: true, version: '0.1.0', node: 'v24', npm: '11' };
  expect(provenance(ARTIFACTS, made)).toMatchObject({
    subject: [{ name: 'a.tgz', digest: { sha256: 'ab' } }],
    predicate: {
      buildDefinition: {
        internalParameters: { uncommittedChanges: true },
        resolvedDependencies: [{ digest: { gitCommit: 'f00' } }],
      },
    },
  });
});
