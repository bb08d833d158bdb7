/** The version stands in package.json; a release changes it there, and here is every other place that says it. */
import { execFileSync, spawnSync } from 'node:child_process';
import { describe, expect, test } from 'vitest';
import { parse } from 'yaml';
import { ROOT, textOf } from '../support/documents/document.ts';

/** Files that name images. */
const PULLING = ['*.yaml', '*.yml', '*Dockerfile'];
const { version } = JSON.parse(textOf('package.json'));

describe.each(['deploy/helm/spiffe-sds/Chart.yaml', 'deploy/helm/example/Chart.yaml'])('%s', (file) => {
  const chart = parse(textOf(file));

  test('is of the version of package.json, and runs it', () => {
    expect({ version: chart.version, appVersion: chart.appVersion }).toEqual({ version, appVersion: version });
    for (const dependency of chart.dependencies ?? []) expect(dependency.version).toBe(version);
  });
});

test('package-lock.json', () => {
  const lock = JSON.parse(textOf('package-lock.json'));
  expect([lock.version, lock.packages[''].version]).toEqual([version, version]);
});

test('Dockerfile', () => {
  expect(/^ARG VERSION=(.*)$/m.exec(textOf('Dockerfile'))?.[1]).toBe(version);
});

test.each([
  'README.md',
  'Dockerfile',
  'docs/running.md',
  'deploy/compose/compose.yaml',
  'deploy/debian/README.md',
  'deploy/helm/README.md',
  'deploy/kubernetes/README.md',
  'deploy/kubernetes/component/kustomization.yaml',
  'deploy/kubernetes/demo/kustomization.yaml',
  'deploy/kubernetes/node/kustomization.yaml',
  'deploy/integrations/istio/injection-values.yaml',
  'deploy/integrations/envoy-gateway/gateway.yaml',
])('%s names no other version of the image, the package and the chart', (file) => {
  const named = [...textOf(file).matchAll(/spiffe-sds(?::|-|_|, newTag: |, version: |, newName: \S+, newTag: )(\d+\.\d+\.\d+)/g)];
  const tags = [...textOf(file).matchAll(/newTag: (\S+?)[ }]*$/gm)];
  expect(new Set([...named, ...tags].map(([, found]) => found))).toEqual(new Set([version]));
});

describe('what is pulled from a registry', () => {
  const files = execFileSync('git', ['ls-files', '-z', '--', ...PULLING], { cwd: ROOT, encoding: 'utf8' }).split('\0');
  const images = files.filter((file) => file !== '').flatMap((file) => imagesIn(file).map((image) => ({ file, image })));
  // Kustomize puts the tag to it.
  const ours = ({ file, image }: (typeof images)[number]) => file.startsWith('deploy/kubernetes/') && image === 'spiffe-sds';

  test('is found where it stands', () => {
    const found = new Set(images.map(({ file }) => file));
    for (const file of [
      'Dockerfile',
      'deploy/compose/spire/Dockerfile',
      'deploy/compose/compose.yaml',
      '.github/workflows/ci.yml',
    ])
      expect(found).toContain(file);
    expect(images.length).toBeGreaterThan(15);
  });

  test('has a version, or a digest', () => {
    const free = images.filter((one) => !ours(one) && !/:v?\d+(\.\d+)+[\w.-]*$|@sha256:[0-9a-f]{64}$/.test(one.image));
    expect(free).toEqual([]);
  });

  test('is of one version wherever it is named', () => {
    const versions = Map.groupBy(
      images.filter((one) => !ours(one)),
      ({ image }) => image.replace(/:[^:/]*$/, ''),
    );
    const several = [...versions].filter(
      ([name, named]) => !/library\/node$/.test(name) && new Set(named.map(({ image }) => image)).size > 1,
    );
    expect(several).toEqual([]);
  });

  test('no file says latest', () => {
    const said = spawnSync('git', ['grep', '--line-number', '--fixed-strings', `:${'latest'}`], { cwd: ROOT, encoding: 'utf8' });
    expect(said.stdout).toBe('');
  });
});

/** Of manifests, compose files, workflows, Dockerfiles. What a template computes is not among them. */
function imagesIn(file: string): readonly string[] {
  const lines = [
    ...textOf(file).matchAll(
      /^\s*(?:- )?(?:image: |ARG NODE=|FROM (?!\$|scratch))["']?([^\s"'{#]+)["']?(?: AS \w+)?\s*(?:#.*)?$/gm,
    ),
  ];
  return lines.map(([, image = '']) => image);
}
