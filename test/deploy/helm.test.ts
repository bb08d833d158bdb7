/** deploy/helm: what the chart makes, held against Kubernetes' schemas, Pod Security "restricted", and rules of our own. */
import { execFile } from 'node:child_process';
import { mkdtempDisposable, readFile, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, relative } from 'node:path';
import { promisify } from 'node:util';
import { beforeAll, describe, expect, it } from 'vitest';
import { parse, stringify } from 'yaml';
import { HELM } from '../../deploy/helm/install.ts';
import { ENVOY_VERSIONS, findEnvoy } from '../../envoy/install.ts';
import { configurationSchema } from '../../src/config/schema/schema.ts';
import { describeWithSchemas } from '../support/containers/describe.ts';
import { fencesOf, ROOT } from '../support/documents/document.ts';
import {
  DEPLOY,
  describeWithManifests,
  EXAMPLE,
  find,
  helmExample,
  type KubernetesObject,
  objectsOf,
  podOf,
  tool,
} from '../support/kubernetes/objects.ts';
import { violations } from '../support/kubernetes/restricted.ts';
import { KUBERNETES_VERSIONS, validate } from '../support/kubernetes/schemas.ts';
import { describeWithEnvoy } from '../support/mesh/envoy.ts';

const LIBRARY = join(DEPLOY, 'helm', 'spiffe-sds');
const MONITORED = ['podMonitor', 'prometheusRule', 'dashboard'].flatMap((part) => [
  '--set',
  `spiffe-sds.monitoring.${part}.enabled=true`,
]);
const PARTS = ['demo-server', 'demo-client'] as const;
const ON_NODE = ['--set', 'spiffe-sds.mode=node'];
const yamlOf = async (...path: readonly string[]) => parse(await readFile(join(...path), 'utf8'));
/** A value of a text that is refused is quoted in the message. */
const refused = (...args: readonly string[]) => expect(helmExample(...args)).rejects;

describeWithManifests()('the chart', () => {
  let plain: readonly KubernetesObject[];
  let monitored: readonly KubernetesObject[];
  let onNode: readonly KubernetesObject[];
  beforeAll(async () => {
    const made = [helmExample(), helmExample(...MONITORED), helmExample(...MONITORED, ...ON_NODE)] as const;
    [plain, monitored, onNode] = await Promise.all(made);
  }, 120_000);

  it.each([LIBRARY, EXAMPLE])('passes helm lint: %s', async (chart) => {
    expect(await tool(HELM, 'lint', '--strict', chart)).toContain('0 chart(s) failed');
  });

  it('has the version of this repository, and the Envoy that is tested', async () => {
    const { version } = JSON.parse(await readFile(join(DEPLOY, '..', 'package.json'), 'utf8'));
    for (const chart of [LIBRARY, EXAMPLE])
      expect(await yamlOf(chart, 'Chart.yaml')).toMatchObject({ version, appVersion: version });
    expect((await yamlOf(EXAMPLE, 'Chart.yaml')).dependencies).toMatchObject([{ name: 'spiffe-sds', version }]);
    expect((await yamlOf(LIBRARY, 'values.yaml')).envoy.image.tag).toBe(`v${ENVOY_VERSIONS[0]}`);
    expect(podOf(plain, 'demo-server').initContainers[0]?.image).toBe(`spiffe-sds:${version}`);
  });

  it('makes a client and a server, and what belongs to each', () => {
    const made = plain.map(({ kind, metadata }) => `${kind} ${metadata.name}`).sort();
    expect(made).toEqual(
      [
        ...['client', 'server'].flatMap((name) => [
          `ClusterSPIFFEID shop-demo-${name}`,
          `ConfigMap demo-${name}-envoy`,
          `Deployment demo-${name}`,
          `NetworkPolicy demo-${name}`,
          `ServiceAccount demo-${name}`,
        ]),
        'ConfigMap demo-app',
        'ConfigMap demo-spiffe-sds',
        'PodDisruptionBudget demo-server',
        'Service demo-server',
      ].sort(),
    );
  });

  it('makes what Prometheus and Grafana read when it is told to, from the files of deploy/observability', async () => {
    const added = monitored.filter(
      ({ kind, metadata }) => !plain.some((o) => o.kind === kind && o.metadata.name === metadata.name),
    );
    expect(added.map(({ kind, metadata }) => `${kind} ${metadata.name}`).sort()).toEqual([
      'ConfigMap demo-spiffe-sds-dashboard',
      'PodMonitor demo-spiffe-sds',
      'PrometheusRule demo-spiffe-sds',
    ]);
    expect(find(monitored, 'PrometheusRule', 'demo-spiffe-sds').spec).toEqual(
      await yamlOf(DEPLOY, 'observability', 'rules.yaml'),
    );
    const dashboard = await readFile(join(DEPLOY, 'observability', 'dashboard.json'), 'utf8');
    const text = find(monitored, 'ConfigMap', 'demo-spiffe-sds-dashboard').data?.['spiffe-sds.json'] ?? '';
    expect(JSON.parse(text)).toEqual(JSON.parse(dashboard));
  });

  it('carries those files when it is packed', async () => {
    await using folder = await mkdtempDisposable(join(tmpdir(), 'chart-'));
    await tool(HELM, 'package', EXAMPLE, '--destination', folder.path);
    const { stdout } = await promisify(execFile)('sh', ['-c', `tar -tzf ${folder.path}/*.tgz`]);
    const library = 'spiffe-sds-example/charts/spiffe-sds';
    expect(stdout.split('\n')).toEqual(
      expect.arrayContaining([`${library}/files/rules.yaml`, `${library}/files/dashboard.json`]),
    );
  });

  it.each(PARTS)('%s passes Pod Security "restricted", with a file system that cannot be written', (name) => {
    const pod = podOf(plain, name);
    expect(violations(pod)).toEqual([]);
    expect(pod.automountServiceAccountToken).toBe(false);
    for (const { securityContext, resources } of [...pod.initContainers, ...pod.containers]) {
      expect(securityContext.readOnlyRootFilesystem).toBe(true);
      expect(resources).toMatchObject({ requests: { memory: expect.any(String) }, limits: { memory: expect.any(String) } });
    }
  });

  it.each(PARTS)('%s: the sidecar starts first, then Envoy, then the application', (name) => {
    const { initContainers, containers } = podOf(plain, name);
    expect(initContainers.map((one) => [one.name, one.restartPolicy])).toEqual([
      ['spiffe-sds', 'Always'],
      ['envoy', 'Always'],
    ]);
    for (const one of initContainers)
      expect(one).toMatchObject({ startupProbe: {}, readinessProbe: {}, livenessProbe: {}, securityContext: {} });
    expect(containers.map((one) => one.name)).toEqual(['app']);
  });

  it('lets Envoy reach the SDS socket, and nothing else of the sidecar', () => {
    const { initContainers, securityContext } = podOf(plain, 'demo-server');
    const [sidecar, envoy] = initContainers;
    expect(securityContext.fsGroup).toBeGreaterThan(0);
    expect(envoy?.securityContext.runAsUser).not.toBe(sidecar?.securityContext.runAsUser);
    const shared = envoy?.volumeMounts?.filter(({ name }) => sidecar?.volumeMounts?.some((mount) => mount.name === name));
    expect(shared).toEqual([{ name: 'spiffe-sds', mountPath: '/run/spiffe-sds', readOnly: true }]);
  });

  it('keeps both admin interfaces on loopback: the cluster reaches probes and mutual TLS', () => {
    const { initContainers } = podOf(plain, 'demo-server');
    const env = initContainers[0]?.env?.map(({ name, value }) => `${name}=${value}`) ?? [];
    expect(env).toContain('SPIFFE_SDS_PROBES=0.0.0.0:8083');
    expect(env.join()).not.toContain('SPIFFE_SDS_ADMIN');
    expect(configOf(plain)).toEqual({});
    const { admin, static_resources } = bootstrapOf(plain, 'demo-server');
    expect(admin.address.socket_address.address).toBe('127.0.0.1');
    const open = static_resources.listeners.filter(
      (listener: { address: { socket_address: { address: string } } }) => listener.address.socket_address.address !== '127.0.0.1',
    );
    expect(open.map(({ name }: { name: string }) => name)).toEqual(['probes', 'mtls']);
  });

  it('gives metrics to Prometheus alone, and only with a PodMonitor', () => {
    expect(configOf(monitored)).toEqual({ admin: { probes_metrics: true } });
    expect(configurationSchema.safeParse(configOf(monitored)).success).toBe(true);
    const from = [{ namespaceSelector: { matchLabels: { 'kubernetes.io/metadata.name': 'monitoring' } } }];
    const ingress = (objects: readonly KubernetesObject[], name: string) => find(objects, 'NetworkPolicy', name).spec.ingress;
    const mtls = { ports: [{ port: 'mtls' }] };
    expect(ingress(plain, 'demo-server')).toEqual([mtls]);
    expect(ingress(plain, 'demo-client')).toEqual([]);
    expect(ingress(monitored, 'demo-server')).toEqual([mtls, { ports: [{ port: 'sds-probes' }], from }]);
    expect(ingress(monitored, 'demo-client')).toEqual([{ ports: [{ port: 'sds-probes' }], from }]);
  });

  it('keeps what the configuration says beside what the chart adds', async () => {
    const settings = ['--set', 'spiffe-sds.config.names.preset=istio', '--set', 'spiffe-sds.config.admin.listen='];
    const objects = await helmExample(...MONITORED, ...settings);
    expect(configOf(objects)).toEqual({ names: { preset: 'istio' }, admin: { listen: '', probes_metrics: true } });
  });

  it('drains: the application serves as long as Envoy does, and both end within the grace period', async () => {
    const { initContainers, containers, terminationGracePeriodSeconds } = podOf(
      await helmExample('--set', 'spiffe-sds.envoy.drainSeconds=20'),
      'demo-server',
    );
    const [, , script = ''] = initContainers[1]?.lifecycle?.preStop?.exec?.command ?? [];
    expect(script).toContain('POST /drain_listeners?graceful&skip_exit ');
    expect(script).toMatch(/sleep 20\n$/);
    expect(initContainers[1]?.args).toEqual(expect.arrayContaining(['--drain-time-s', '20']));
    expect(containers[0]?.lifecycle?.preStop).toEqual({ sleep: { seconds: 20 } });
    expect(terminationGracePeriodSeconds).toBeGreaterThan(20 + 10);
  });

  it('has a new pod ready when its application is, of which it shows the kubelet one path', () => {
    const [app] = podOf(plain, 'demo-server').containers;
    expect(app?.readinessProbe?.httpGet).toEqual({ path: '/app', port: 8002 });
    const [probes] = bootstrapOf(plain, 'demo-server').static_resources.listeners;
    const routes = probes.filter_chains[0].filters[0].typed_config.route_config.virtual_hosts[0].routes;
    expect(routes).toContainEqual({ match: { path: '/app' }, route: { cluster: 'app', prefix_rewrite: '/healthz' } });
    expect(routes.filter(({ match }: { match: object }) => !('path' in match))).toEqual([]);
  });

  it.each(['server', 'client'])('registers the pods of the %s, by what they are labelled with', (part) => {
    const { spec } = find(plain, 'ClusterSPIFFEID', `shop-demo-${part}`);
    const deployment = find(plain, 'Deployment', `demo-${part}`);
    expect(spec.podSelector.matchLabels).toEqual(deployment.spec.template.metadata.labels);
    expect(spec.namespaceSelector.matchLabels).toEqual({ 'kubernetes.io/metadata.name': 'shop' });
    expect(spec.spiffeIDTemplate).toBe(
      'spiffe://{{ .TrustDomain }}/ns/{{ .PodMeta.Namespace }}/sa/{{ .PodSpec.ServiceAccountName }}',
    );
    expect(deployment.spec.template.spec.serviceAccountName).toBe(`demo-${part}`);
  });

  it('makes new pods when the bootstrap changes', async () => {
    const changed = await helmExample('--set', 'spiffe-sds.envoy.maxConnectionDuration=60s');
    const annotation = (objects: readonly KubernetesObject[]) =>
      find(objects, 'Deployment', 'demo-server').spec.template.metadata.annotations['spiffe-sds/envoy-checksum'];
    expect(annotation(changed)).not.toBe(annotation(plain));
  });

  it('takes images by digest, a class for SPIRE, and any volume for the Workload API', async () => {
    const digest = `sha256:${'0'.repeat(64)}`;
    const objects = await helmExample(
      ...['--set', `spiffe-sds.image.repository=registry.example.com/sds,spiffe-sds.image.digest=${digest}`],
      ...['--set', 'spiffe-sds.clusterSpiffeId.className=spire-spire,spiffe-sds.workloadApi.socket=api.sock'],
      ...['--set-json', 'spiffe-sds.workloadApi.volume={"csi":null,"hostPath":{"path":"/run/spire/agent-sockets"}}'],
    );
    const { initContainers, volumes } = podOf(objects, 'demo-client');
    expect(initContainers[0]?.image).toBe(`registry.example.com/sds@${digest}`);
    expect(initContainers[0]?.env).toContainEqual({
      name: 'SPIFFE_ENDPOINT_SOCKET',
      value: 'unix:///spiffe-workload-api/api.sock',
    });
    expect(find(objects, 'ClusterSPIFFEID', 'shop-demo-client').spec.className).toBe('spire-spire');
    expect(volumes[0]).toEqual({ name: 'spiffe-workload-api', hostPath: { path: '/run/spire/agent-sockets' } });
  });

  describe('with the spiffe-sds of the node', () => {
    it.each(PARTS)(
      '%s has no sidecar: its Envoy has the socket of the node, by the CSI driver that is there for it',
      async (name) => {
        const { initContainers, volumes } = podOf(onNode, name);
        expect(initContainers.map((one) => one.name)).toEqual(['envoy']);
        const driver = await readFile(join(DEPLOY, 'kubernetes', 'node', 'csi-driver.yaml'), 'utf8');
        const { metadata } = objectsOf(driver).find(({ kind }) => kind === 'CSIDriver') as KubernetesObject;
        expect(volumes[0]).toEqual({ name: 'spiffe-sds', csi: { driver: metadata.name, readOnly: true } });
        expect(volumes.map((volume) => volume.name)).toEqual(['spiffe-sds', 'envoy', 'app']);
        const withSidecar = podOf(plain, name).initContainers[1];
        expect(initContainers[0]).toEqual(withSidecar);
      },
    );

    it('takes any other volume, such as a hostPath', async () => {
      const volume = '{"csi":null,"hostPath":{"path":"/run/spiffe-sds","type":"Directory"}}';
      const pod = podOf(await helmExample(...ON_NODE, '--set-json', `spiffe-sds.node.volume=${volume}`), 'demo-client');
      expect(pod.volumes[0]).toEqual({ name: 'spiffe-sds', hostPath: { path: '/run/spiffe-sds', type: 'Directory' } });
    });

    it.each(PARTS)('%s passes Pod Security "restricted"', (name) => {
      expect(violations(podOf(onNode, name))).toEqual([]);
    });

    it('makes the same objects, without what belongs to a sidecar', () => {
      const made = (objects: readonly KubernetesObject[]) => objects.map(({ kind, metadata }) => `${kind} ${metadata.name}`);
      const missing = made(monitored).filter((object) => !made(onNode).includes(object));
      expect(missing.sort()).toEqual(['ConfigMap demo-spiffe-sds', 'PodMonitor demo-spiffe-sds']);
      expect(made(onNode)).toHaveLength(made(monitored).length - 2);
    });

    it.each(PARTS)('leaves %s its registration, its network policy, and its bootstrap', (name) => {
      expect(find(onNode, 'NetworkPolicy', name)).toEqual(find(plain, 'NetworkPolicy', name));
      expect(find(onNode, 'ClusterSPIFFEID', `shop-${name}`)).toEqual(find(plain, 'ClusterSPIFFEID', `shop-${name}`));
      expect(bootstrapOf(onNode, name)).toEqual(bootstrapOf(plain, name));
    });
  });

  describe('its schema refuses', () => {
    it.each([
      ['a key that is not there', ['--set', 'spiffe-sds.envoy.drainSecs=1'], /drainSecs/],
      ['root', ['--set', 'spiffe-sds.runAsUser=0'], /runAsUser/],
      ['a digest that is none', ['--set', 'spiffe-sds.image.digest=latest'], /digest/],
      ['a port that is none', ['--set', 'spiffe-sds.envoy.port=70000'], /port/],
      ['a mode that is none', ['--set', 'spiffe-sds.mode=cluster'], /mode/],
      ['a volume without a source', ['--set-json', 'spiffe-sds.node.volume={"csi":null}'], /volume/],
      ['no drain', ['--set', 'spiffe-sds.envoy.drainSeconds=0'], /drainSeconds/],
      ['a setting of the example that is not there', ['--set', 'sever.replicas=3'], /sever/],
    ] as const)('%s', async (_what, args, message) => {
      await refused(...args).toThrow(message);
    });
  });

  it('the command of the README makes the example, with the image that it names', async () => {
    const [command] = fencesOf('deploy/helm/README.md').filter(({ text }) => text.startsWith('helm install'));
    const [, ...args] = (command?.text ?? '').replaceAll('\\\n', ' ').replace('helm install', 'template').split(/\s+/);
    const [name, chart, ...options] = args as [string, string, ...string[]];
    expect({ name, chart }).toEqual({ name: 'demo', chart: relative(ROOT, EXAMPLE) });
    const made = await helmExample(...options);
    expect(podOf(made, 'demo-server').initContainers[0]?.image).toMatch(/^registry\.example\.com\/spiffe-sds:\d/);
    expect(made.map(({ kind }) => kind)).toEqual(plain.map(({ kind }) => kind));
  });

  it('documents each value, and has each in its schema', async () => {
    const { properties } = JSON.parse(await readFile(join(LIBRARY, 'values.schema.json'), 'utf8'));
    const values = await yamlOf(LIBRARY, 'values.yaml');
    expect(new Set(Object.keys(values)).add('global')).toEqual(new Set(Object.keys(properties)));
    expect(new Set(Object.keys(values.envoy))).toEqual(new Set(Object.keys(properties.envoy.properties)));
  });

  describeWithSchemas()('keeps to the schemas of Kubernetes', () => {
    it.each(KUBERNETES_VERSIONS)('%s, strictly', { timeout: 60_000 }, async (version) => {
      await validate(monitored, version);
    });

    it.each(KUBERNETES_VERSIONS)('%s, strictly, with the spiffe-sds of the node', { timeout: 60_000 }, async (version) => {
      await validate(onNode, version);
    });

    it('and what does not is refused', async () => {
      const wrong = structuredClone(plain) as unknown as { kind: string; spec: Record<string, unknown> }[];
      const id = wrong.find(({ kind }) => kind === 'ClusterSPIFFEID');
      if (id !== undefined) id.spec['spiffeIdTemplate'] = 'misspelt';
      await expect(validate(wrong as unknown as KubernetesObject[], KUBERNETES_VERSIONS[0])).rejects.toThrow(/spiffeIdTemplate/);
    });
  });

  describeWithEnvoy()('the bootstrap', () => {
    it.each(PARTS)('of %s is one that Envoy takes', async (name) => {
      await using folder = await mkdtempDisposable(join(tmpdir(), 'bootstrap-'));
      const file = join(folder.path, 'envoy.yaml');
      await writeFile(file, stringify(bootstrapOf(plain, name)));
      const args = ['--mode', 'validate', '-c', file, '--service-node', 'pod', '--service-cluster', name];
      expect((await promisify(execFile)(findEnvoy() as string, args, { timeout: 60_000 })).stdout).toContain('OK');
    });
  });
});

function configOf(objects: readonly KubernetesObject[]): object {
  return parse(find(objects, 'ConfigMap', 'demo-spiffe-sds').data?.['spiffe-sds.yaml'] ?? '');
}

function bootstrapOf(objects: readonly KubernetesObject[], workload: string) {
  return parse(find(objects, 'ConfigMap', `${workload}-envoy`).data?.['envoy.yaml'] ?? '');
}
