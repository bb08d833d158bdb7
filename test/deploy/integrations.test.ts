/** deploy/integrations: what a cluster is told, as far as it can be seen without one. test/e2e/deploy/integrations.test.ts runs the Envoys. */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { parse, parseAllDocuments } from 'yaml';
import { loadText } from '../support/sidecar/configuration.ts';

const FOLDER = join(import.meta.dirname, '..', '..', 'deploy', 'integrations');
const text = (file: string) => readFile(join(FOLDER, file), 'utf8');
const pipeOf = async (file: string) => /pipe: \{ path: (\S+) \}/.exec(await text(file))?.[1];

test.each(['istio/spiffe-sds.yaml', 'istio/gateway-spiffe-sds.yaml', 'vault/spiffe-sds.yaml'])(
  'the sidecar takes %s',
  async (file) => {
    const content = await text(file);
    expect(() => loadText(content)).not.toThrow();
  },
);

test.each([
  // Istio writes /var/run for the proxy, and mounts /run: they are the same folder.
  ['istio/spiffe-sds.yaml', 'istio/sidecar-envoy.yaml'],
  ['istio/gateway-spiffe-sds.yaml', 'istio/gateway-envoy.yaml'],
])('%s listens where %s asks', async (sidecar, envoy) => {
  const { listen } = parse(await text(sidecar)).sds;
  expect(String(listen).replace(/^unix:\/\/(\/var)?/, '')).toBe((await pipeOf(envoy))?.replace(/^\.\/var/, ''));
});

test("Istio's template starts the sidecar before the proxy, with the proxy's group, at the socket of its configuration", async () => {
  const { meshConfig: _, sidecarInjectorWebhook } = parse(await text('istio/injection-values.yaml'));
  const { initContainers } = parse(sidecarInjectorWebhook.templates['spiffe-sds']).spec;
  expect(initContainers.map(({ name }: { name: string }) => name)).toEqual(['spiffe-sds', 'istio-proxy']);
  const { sds } = parse(await text('istio/spiffe-sds.yaml'));
  expect(initContainers[0].securityContext.runAsGroup).toBe(sds.group);
  expect(initContainers[0].env).toContainEqual({ name: 'SPIFFE_SDS_LISTEN', value: sds.listen });
});

test("Envoy Gateway's Secret names the socket and the certificate that its Envoy asks for", async () => {
  const objects = parseAllDocuments(await text('envoy-gateway/gateway.yaml')).map((document) => document.toJS());
  const { stringData } = objects.find(({ kind }) => kind === 'Secret');
  expect(stringData.url).toBe(await pipeOf('envoy-gateway/envoy.yaml'));
  expect(await text('envoy-gateway/envoy.yaml')).toContain(`- name: ${stringData.secretName}\n`);
});
