/** deploy/kubernetes: the component adds the sidecar to any pod, and the demo made with it is what the chart makes. */
import { execFile } from 'node:child_process';
import { mkdir, mkdtempDisposable, readdir, readFile, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { beforeAll, describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import { HELM } from '../../deploy/helm/install.ts';
import { ENVOY_VERSIONS, findEnvoy } from '../../envoy/install.ts';
import { loadConfiguration } from '../../src/config/load.ts';
import { describeWithSchemas } from '../support/containers/describe.ts';
import {
  type Container,
  DEPLOY,
  describeWithManifests,
  EXAMPLE,
  find,
  type KubernetesObject,
  kustomized,
  objectsOf,
  type PodSpec,
  podOf,
  tool,
} from '../support/kubernetes/objects.ts';
import { violations } from '../support/kubernetes/restricted.ts';
import { KUBERNETES_VERSIONS, validate } from '../support/kubernetes/schemas.ts';
import { describeWithEnvoy } from '../support/mesh/envoy.ts';

const FOLDER = join(DEPLOY, 'kubernetes');
const DEMO = join(FOLDER, 'demo');
const NAMESPACE = 'spiffe-sds-demo';
const PARTS = ['demo-server', 'demo-client'] as const;

/** Somebody's kustomization, with the component. */
const WORKLOAD = (kind: string, name: string, labels: string) => `---
apiVersion: apps/v1
kind: ${kind}
metadata: { name: ${name}, labels: { ${labels} } }
spec:
  selector: { matchLabels: { app: ${name} } }
  template:
    metadata: { labels: { app: ${name} } }
    spec:
      initContainers: [{ name: migrate, image: orders }]
      containers: [{ name: app, image: orders }]
      volumes: [{ name: data, emptyDir: {} }]
`;

describeWithManifests()('the component', () => {
  let objects: readonly KubernetesObject[];
  beforeAll(async () => {
    await using folder = await mkdtempDisposable(join(tmpdir(), 'component-'));
    const mine = join(folder.path, 'mine');
    await mkdir(mine);
    await symlink(join(FOLDER, 'component'), join(folder.path, 'component'));
    const workloads = [
      WORKLOAD('Deployment', 'orders', 'team: shop'),
      WORKLOAD('StatefulSet', 'ledger', ''),
      WORKLOAD('Deployment', 'other', 'spiffe-sds: none'),
    ];
    await writeFile(join(mine, 'workloads.yaml'), workloads.join(''));
    await writeFile(
      join(mine, 'kustomization.yaml'),
      `namespace: shop
resources: [workloads.yaml]
components: [../component]
images: [{ name: spiffe-sds, newName: registry.example.com/spiffe-sds, newTag: 0.1.0 }]
`,
    );
    objects = await kustomized(mine);
  });
  const podSpec = (kind: string, name: string) => find(objects, kind, name).spec.template.spec as PodSpec;

  it.each([
    ['Deployment', 'orders'],
    ['StatefulSet', 'ledger'],
  ])('gives every %s the sidecar, before its own init containers', (kind, name) => {
    const { initContainers, containers, volumes, securityContext } = podSpec(kind, name);
    expect(initContainers.map((one) => [one.name, one.restartPolicy])).toEqual([
      ['spiffe-sds', 'Always'],
      ['migrate', undefined],
    ]);
    expect(initContainers[0]?.image).toBe('registry.example.com/spiffe-sds:0.1.0');
    expect(containers).toEqual([{ name: 'app', image: 'orders' }]);
    expect(volumes.map((volume) => volume.name)).toEqual(['spiffe-workload-api', 'spiffe-sds', 'data']);
    expect(securityContext).toEqual({ fsGroup: 2000 });
  });

  it('leaves alone what does not want it', () => {
    expect(podSpec('Deployment', 'other').initContainers.map(({ name }) => name)).toEqual(['migrate']);
  });

  it('adds nothing that has a namespace of its own, and nothing that Pod Security "restricted" refuses', () => {
    expect(objects.map(({ metadata }) => metadata.namespace)).toEqual(['shop', 'shop', 'shop']);
    const own = podSpec('Deployment', 'orders').initContainers.slice(0, 1);
    expect(violations({ ...podSpec('Deployment', 'orders'), initContainers: own, containers: [] })).toEqual([]);
  });
});

describeWithManifests()('the demo', () => {
  let demo: readonly KubernetesObject[];
  let chart: readonly KubernetesObject[];
  beforeAll(async () => {
    [demo, chart] = await Promise.all([
      kustomized(DEMO),
      tool(HELM, 'template', 'demo', EXAMPLE, '--namespace', NAMESPACE).then(objectsOf),
    ]);
  });

  it.each(PARTS)('%s: its pod is that of the chart, whose sidecar has a file besides', (name) => {
    expect(comparable(podOf(demo, name))).toEqual(comparable(podOf(chart, name)));
  });

  it.each(PARTS)('%s: its Envoy has the bootstrap that the chart makes', (name) => {
    expect(bootstrapOf(demo, name)).toEqual(bootstrapOf(chart, name));
  });

  it('has the same beside the pods', () => {
    for (const kind of ['Service', 'NetworkPolicy', 'PodDisruptionBudget', 'ServiceAccount']) {
      const of = (objects: readonly KubernetesObject[]) =>
        objects.filter((object) => object.kind === kind).sort((a, b) => a.metadata.name.localeCompare(b.metadata.name));
      expect(of(demo), kind).toEqual(of(chart));
    }
    const ids = (objects: readonly KubernetesObject[]) =>
      objects.flatMap(({ kind, spec }) => (kind === 'ClusterSPIFFEID' ? [spec] : []));
    expect(ids(demo)).toEqual(ids(chart));
  });

  it('has the applications of the chart', async () => {
    for (const file of ['server.js', 'client.js'])
      expect(await readFile(join(DEMO, 'workloads', file), 'utf8')).toBe(await readFile(join(EXAMPLE, 'files', file), 'utf8'));
  });

  it('puts all into one namespace, which admits nothing but restricted pods, and the registrations into none', () => {
    const namespace = find(demo, 'Namespace', NAMESPACE);
    expect(namespace.metadata.labels).toMatchObject({ 'pod-security.kubernetes.io/enforce': 'restricted' });
    for (const { kind, metadata } of demo)
      expect(metadata.namespace, `${kind} ${metadata.name}`).toBe(
        ['Namespace', 'ClusterSPIFFEID'].includes(kind) ? undefined : NAMESPACE,
      );
    for (const name of PARTS) expect(violations(podOf(demo, name))).toEqual([]);
  });

  it('names the versions of this repository', async () => {
    const { version } = JSON.parse(await readFile(join(DEPLOY, '..', 'package.json'), 'utf8'));
    const images = podOf(demo, 'demo-server').initContainers.map(({ image }) => image);
    expect(images).toEqual([`spiffe-sds:${version}`, `docker.io/envoyproxy/envoy:v${ENVOY_VERSIONS[0]}`]);
  });

  it('knows every file of its folders', async () => {
    for (const folder of [DEMO, join(DEMO, 'workloads'), join(FOLDER, 'component')]) {
      const {
        resources = [],
        patches = [],
        configMapGenerator = [],
      } = parse(await readFile(join(folder, 'kustomization.yaml'), 'utf8'));
      const generated = configMapGenerator.flatMap(({ files }: { files: string[] }) =>
        files.map((file) => file.split('=').at(-1)),
      );
      const patched = patches.map(({ path }: { path: string }) => path);
      const known = new Set(['kustomization.yaml', ...resources, ...patched, ...generated]);
      expect(new Set(await readdir(folder)), folder).toEqual(known);
    }
  });

  describeWithSchemas()('keeps to the schemas of Kubernetes', () => {
    it.each(KUBERNETES_VERSIONS)('%s, strictly', { timeout: 60_000 }, async (version) => {
      await validate(demo, version);
    });
  });
});

describeWithManifests()('the DaemonSet for a node', () => {
  let objects: readonly KubernetesObject[];
  beforeAll(async () => {
    objects = await kustomized(join(FOLDER, 'node'));
  });

  it('names the version of this repository', async () => {
    const { version } = JSON.parse(await readFile(join(DEPLOY, '..', 'package.json'), 'utf8'));
    const { containers } = find(objects, 'DaemonSet', 'spiffe-sds').spec.template.spec;
    expect(containers).toMatchObject([{ image: `spiffe-sds:${version}` }]);
  });

  it('mounts a configuration that the sidecar takes', () => {
    const { name } = find(objects, 'DaemonSet', 'spiffe-sds').spec.template.spec.volumes.find(
      (volume: { name: string }) => volume.name === 'configuration',
    ).configMap;
    const file = find(objects, 'ConfigMap', name).data?.['spiffe-sds.yaml'] ?? '';
    const env = { SPIFFE_ENDPOINT_SOCKET: 'unix:///agent.sock', SPIFFE_BROKER_SOCKET: 'unix:///broker.sock' };
    const { configuration } = loadConfiguration({ flags: { config: 'x.yaml' }, env, readFile: () => file });
    expect(configuration.broker.address).toEqual({ kind: 'unix', path: '/broker.sock' });
  });

  describeWithSchemas()('keeps to the schemas of Kubernetes', () => {
    it.each(KUBERNETES_VERSIONS)('%s, strictly', { timeout: 60_000 }, async (version) => {
      await validate(objects, version);
    });
  });
});

describe('the CSI driver for the sockets of nodes', async () => {
  const objects = objectsOf(await readFile(join(FOLDER, 'node', 'csi-driver.yaml'), 'utf8'));
  const pod = find(objects, 'DaemonSet', 'spiffe-sds-csi-driver').spec.template.spec;
  const container = (name: string): Container => pod.containers.find((one: Container) => one.name === name);

  it('pins its images by a version', () => {
    for (const { image } of pod.containers) expect(image).toMatch(/^[a-z0-9.-]+\/[a-z0-9/-]+:v?\d+\.\d+\.\d+$/);
  });

  it('has one name for the cluster, the kubelet and the driver', () => {
    const { name } = objects.find(({ kind }) => kind === 'CSIDriver')?.metadata ?? {};
    const folder = `/var/lib/kubelet/plugins/${name}`;
    expect(container('driver').args?.join(' ')).toContain(`-plugin-name ${name} `);
    expect(container('registrar').args?.join(' ')).toContain(`-kubelet-registration-path ${folder}/csi.sock`);
    expect(pod.volumes).toContainEqual({ name: 'plugin', hostPath: { path: folder, type: 'DirectoryOrCreate' } });
  });

  it('gives out the folder of the DaemonSet, and cannot write there', async () => {
    const daemonSet = find(objectsOf(await readFile(join(FOLDER, 'node', 'daemonset.yaml'), 'utf8')), 'DaemonSet', 'spiffe-sds');
    const folderOf = (spec: PodSpec) => spec.volumes.find(({ name }) => name === 'sds');
    expect(folderOf(pod)).toEqual(folderOf(daemonSet.spec.template.spec));
    expect(container('driver').args?.join(' ')).toContain('-workload-api-socket-dir /run/spiffe-sds ');
    expect(container('driver').volumeMounts).toContainEqual({ name: 'sds', mountPath: '/run/spiffe-sds', readOnly: true });
  });

  it('has no token, and no container that may get more than it needs', () => {
    expect(pod.automountServiceAccountToken).toBe(false);
    expect(pod.containers).toMatchObject([
      { name: 'driver', securityContext: { privileged: true, readOnlyRootFilesystem: true } },
      {
        name: 'registrar',
        securityContext: { allowPrivilegeEscalation: false, readOnlyRootFilesystem: true, capabilities: { drop: ['ALL'] } },
      },
    ]);
  });

  describeWithSchemas()('keeps to the schemas of Kubernetes', () => {
    it.each(KUBERNETES_VERSIONS)('%s, strictly', { timeout: 60_000 }, async (version) => {
      await validate(objects, version);
    });
  });
});

describeWithEnvoy()('the bootstraps of the demo', () => {
  it.each(['server', 'client'])('%s-envoy.yaml is one that Envoy takes', async (part) => {
    const file = join(DEMO, 'workloads', `${part}-envoy.yaml`);
    const args = ['--mode', 'validate', '-c', file, '--service-node', 'pod', '--service-cluster', part];
    expect((await promisify(execFile)(findEnvoy() as string, args, { timeout: 60_000 })).stdout).toContain('OK');
  });
});

/**
 * Without what differs on purpose: the sidecar's file, the names of generated ConfigMaps, and the seccomp profile, which the component gives to
 * its own container because it does not know the pod.
 */
function comparable(pod: object): unknown {
  const ofFile = (value: { name?: string }) => ['spiffe-sds-config', 'SPIFFE_SDS_CONFIG'].includes(value?.name ?? '');
  const text = JSON.stringify(pod, (key, value) => {
    if (key === 'seccompProfile') return undefined;
    return Array.isArray(value) ? value.filter((one) => !ofFile(one)) : value;
  });
  return JSON.parse(text.replace(/"(demo-[a-z-]+?)-[a-z0-9]{10}"/g, '"$1"'));
}

function bootstrapOf(objects: readonly KubernetesObject[], workload: string): unknown {
  const map = objects.find(({ kind, metadata }) => kind === 'ConfigMap' && metadata.name.startsWith(`${workload}-envoy`));
  return parse(map?.data?.['envoy.yaml'] ?? '');
}
