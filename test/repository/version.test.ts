/** The version stands in package.json; a release changes it there, and here is every other place that says it. */
import { describe, expect, test } from 'vitest';
import { parse } from 'yaml';
import { textOf } from '../support/documents/document.ts';

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
  'deploy/integrations/istio/injection-values.yaml',
  'deploy/integrations/envoy-gateway/gateway.yaml',
])('%s names no other version of the image, the package and the chart', (file) => {
  const named = [...textOf(file).matchAll(/spiffe-sds(?::|-|_|, newTag: |, version: |, newName: \S+, newTag: )(\d+\.\d+\.\d+)/g)];
  const tags = [...textOf(file).matchAll(/newTag: (\S+?)[ }]*$/gm)];
  expect(new Set([...named, ...tags].map(([, found]) => found))).toEqual(new Set([version]));
});

test.each(['Dockerfile', 'deploy/compose/compose.yaml'])('%s pulls no image without a version', (file) => {
  const images = [...textOf(file).matchAll(/(?:^\s*image: |^ARG NODE=|^FROM (?!\$))(\S+)/gm)].map(([, image = '']) => image);
  expect(images.filter((image) => !/:v?\d+(\.\d+)+/.test(image))).toEqual([]);
});
