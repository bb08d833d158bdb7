/** deploy/kubernetes keeps to Kubernetes' schemas, to the Pod Security Standard "restricted", and to rules of our own. */
import { execFile } from 'node:child_process';
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import { ENVOY_VERSIONS, findEnvoy } from '../../envoy/install.ts';
import { describeWithSchemas } from '../support/containers/describe.ts';
import { PYTHON_PACKAGES } from '../support/containers/install.ts';
import { describeWithEnvoy } from '../support/mesh/envoy.ts';

const FOLDER = join(import.meta.dirname, '..', '..', 'deploy', 'kubernetes');
const run = promisify(execFile);
const read = async (file: string) => parse(await readFile(join(FOLDER, file), 'utf8'));

const namespace = await read('namespace.yaml');
const kustomization = await read('kustomization.yaml');
const pod = (await read('deployment.yaml')).spec.template.spec;
const [sidecar] = pod.initContainers;
const [envoy] = pod.containers;
const containers = [...pod.initContainers, ...pod.containers];

describeWithSchemas()('the schemas of Kubernetes', () => {
  const ofKubernetes = (kustomization.resources as string[]).filter((file) => file !== 'cluster-spiffe-id.yaml');

  it.each(ofKubernetes)('%s keeps to them, strictly', async (file) => {
    const env = { ...process.env, PYTHONPATH: PYTHON_PACKAGES };
    await run('python3', ['-m', 'kubernetes_validate', '--strict', join(FOLDER, file)], { env, timeout: 60_000 });
  });
});

describe('the kustomization', () => {
  it('knows every file of its folder', async () => {
    const generated = kustomization.configMapGenerator.flatMap(({ files }: { files: string[] }) => files);
    expect([...kustomization.resources, ...generated, 'kustomization.yaml'].sort()).toEqual((await readdir(FOLDER)).sort());
  });

  it('makes the ConfigMaps that the pod mounts', () => {
    const made = kustomization.configMapGenerator.map(({ name }: { name: string }) => name);
    const mounted = pod.volumes.flatMap(({ configMap }: { configMap?: { name: string } }) => configMap?.name ?? []);
    expect(made.sort()).toEqual(mounted.sort());
  });

  it('gives the images the versions of this repository', async () => {
    const { version } = JSON.parse(await readFile(join(FOLDER, '..', '..', 'package.json'), 'utf8'));
    expect(kustomization.images).toMatchObject([{ name: sidecar.image, newTag: version }]);
    expect(envoy.image).toBe(`docker.io/envoyproxy/envoy:v${ENVOY_VERSIONS[0]}`);
  });

  it('puts all but the ClusterSPIFFEID into one namespace', async () => {
    const files = (kustomization.resources as string[]).filter((file) => !/^(namespace|cluster-)/.test(file));
    const resources = await Promise.all(files.map(async (file) => (await read(file)).metadata.namespace));
    const generated = kustomization.configMapGenerator.map((map: { namespace: string }) => map.namespace);
    expect(new Set([...resources, ...generated])).toEqual(new Set([namespace.metadata.name]));
  });

  it('asks the namespace to admit nothing but restricted pods', () => {
    const { metadata } = namespace;
    expect(metadata.labels).toMatchObject({ 'pod-security.kubernetes.io/enforce': 'restricted' });
  });
});

describe('the pod', () => {
  it('is not root, and runs under the seccomp profile of the runtime', () => {
    expect(pod.securityContext).toMatchObject({ runAsNonRoot: true, seccompProfile: { type: 'RuntimeDefault' } });
  });

  it.each(containers)('$name: a numeric user, a read-only file system, no capability', ({ securityContext, resources }) => {
    expect(securityContext.runAsUser).toBeGreaterThan(0);
    expect(securityContext).toMatchObject({
      allowPrivilegeEscalation: false,
      readOnlyRootFilesystem: true,
      capabilities: { drop: ['ALL'] },
    });
    expect(resources).toMatchObject({ requests: {}, limits: {} });
  });

  it('has nothing of its node: no path, network, process or port', () => {
    expect(pod.volumes.filter((volume: object) => 'hostPath' in volume)).toEqual([]);
    expect([pod.hostNetwork, pod.hostPID, pod.hostIPC]).toEqual([undefined, undefined, undefined]);
    expect(JSON.stringify(containers)).not.toContain('hostPort');
  });

  it('has no token of its service account', () => {
    expect(pod.automountServiceAccountToken).toBe(false);
  });

  it('has the sidecar as a native sidecar, that Envoy waits for', () => {
    expect(sidecar).toMatchObject({ name: 'spiffe-sds', restartPolicy: 'Always' });
    expect(sidecar.startupProbe.httpGet.path).toBe('/startupz');
  });

  it('takes the Workload API from the CSI driver, and has the SDS socket in memory', () => {
    const volume = (name: string) => pod.volumes.find((one: { name: string }) => one.name === name);
    expect(volume('spiffe-workload-api').csi).toEqual({ driver: 'csi.spiffe.io', readOnly: true });
    expect(volume('sds').emptyDir).toMatchObject({ medium: 'Memory' });
  });

  it('lets Envoy reach the socket, and no more of the sidecar', () => {
    expect(pod.securityContext.fsGroup).toBeGreaterThan(0);
    expect(envoy.securityContext.runAsUser).not.toBe(sidecar.securityContext.runAsUser);
    const mounts = (container: { volumeMounts: { name: string }[] }) => container.volumeMounts.map(({ name }) => name);
    expect(mounts(envoy).filter((name) => mounts(sidecar).includes(name))).toEqual(['sds']);
  });

  it('is registered by a ClusterSPIFFEID that selects it', async () => {
    const { apiVersion, kind, spec } = await read('cluster-spiffe-id.yaml');
    expect({ apiVersion, kind }).toEqual({ apiVersion: 'spire.spiffe.io/v1alpha1', kind: 'ClusterSPIFFEID' });
    expect(spec.podSelector.matchLabels).toEqual((await read('deployment.yaml')).spec.template.metadata.labels);
    expect(spec.namespaceSelector.matchLabels).toEqual({ 'kubernetes.io/metadata.name': namespace.metadata.name });
    expect(pod.serviceAccountName).toBe((await read('service-account.yaml')).metadata.name);
  });
});

describeWithEnvoy()('the bootstrap', () => {
  it('is one that Envoy takes', async () => {
    const args = ['--mode', 'validate', '-c', join(FOLDER, 'envoy.yaml')];
    expect((await run(findEnvoy() as string, args, { timeout: 60_000 })).stdout).toContain('OK');
  });
});
