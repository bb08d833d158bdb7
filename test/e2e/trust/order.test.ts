/** A CA roll in one message: two Envoys that verify each other never see a certificate of a CA that they do not know yet. */
import { expect, it } from 'vitest';
import { Document, isMap, isScalar, visit } from 'yaml';
import { eventually } from '../../support/eventually.ts';
import { describeWithEnvoy } from '../../support/mesh/envoy.ts';
import { type Mesh, rotated, Stage, startMesh, startMeshOn } from '../../support/mesh/mesh.ts';
import type { Relay } from '../../support/mesh/relay.ts';
import { SteadyLoad } from '../../support/mesh/steady-load.ts';
import type { LoggedEvent } from '../../support/sidecar/sidecar-process.ts';

const BUNDLE = 'spiffe://example.org';

describeWithEnvoy()('a CA roll in one message', () => {
  it('sends no new certificate before each Envoy has accepted the new bundle', async () => {
    await using mesh = await startMesh();
    const before = mesh.sidecar.events.length;
    await mesh.workloadApi.rollAuthority();
    await rotated(mesh);
    const told = mesh.sidecar.events.slice(before).flatMap(stepOf);
    expect(told).toEqual([
      'a rollout begins',
      'sent a bundle',
      'sent a bundle',
      'a bundle was accepted',
      'a bundle was accepted',
      'all have it',
      'sent a certificate',
      'sent a certificate',
      'a certificate was accepted',
      'a certificate was accepted',
    ]);
  });

  it('waits for an Envoy that is slow to take its bundle, and no request is lost', async () => {
    const { relay, ...mesh } = await startWithSlowBundles('60s');
    await using _ = mesh;
    await using load = new SteadyLoad(mesh.url);
    await load.more(50);
    relay.hold();
    const before = mesh.sidecar.events.length;
    await mesh.workloadApi.rollAuthority();
    await mesh.sidecar.event(({ event }) => event === 'bundle_rollout');
    await load.more(200);
    expect(mesh.sidecar.events.slice(before).flatMap(stepOf)).toEqual(['a rollout begins', 'sent a bundle', 'sent a bundle']);

    relay.release();
    await rotated(mesh);
    await load.more(50);
    await load.stop();
    expect(load.failures).toEqual(new Map());
  });

  it('waits no longer than sds.bundle_ack_timeout: then requests are lost until the Envoy has its bundle', async () => {
    const { relay, ...mesh } = await startWithSlowBundles('1ms');
    await using _ = mesh;
    relay.hold();
    await mesh.workloadApi.rollAuthority();
    const { late } = await mesh.sidecar.event(({ event }) => event === 'bundle_rolled_out');
    expect(late).toBe(2);
    await eventually('a failed request', async () => (await fetch(mesh.url)).status === 503 || undefined);

    relay.release();
    await expect(rotated(mesh)).resolves.toBeUndefined();
  });
});

/** Both Envoys get their bundles, and only these, through a relay. */
async function startWithSlowBundles(bundleAckTimeout: string): Promise<Mesh & { readonly relay: Relay }> {
  const stage = await Stage.prepare();
  const relay = await stage.openRelay();
  const configuration = { sds: { bundle_ack_timeout: bundleAckTimeout } };
  const mesh = await startMeshOn(stage, { configuration, edit: (bootstrap) => takeBundlesFrom(relay.path, bootstrap) });
  return { ...mesh, relay };
}

function takeBundlesFrom(path: string, bootstrap: Document): void {
  const { static_resources } = bootstrap.toJS();
  const cluster = new Document({ ...static_resources.clusters[0], name: 'slow_sds' }, { aliasDuplicateObjects: false });
  cluster.setIn(['load_assignment', 'endpoints', 0, 'lb_endpoints', 0, 'endpoint', 'address', 'pipe', 'path'], path);
  bootstrap.addIn(['static_resources', 'clusters'], cluster.contents);
  visit(bootstrap, {
    Pair(_, { key, value }) {
      if (!isScalar(key) || key.value !== 'validation_context_sds_secret_config' || !isMap(value)) return;
      const source = new Document(value.toJS(bootstrap).sds_config);
      source.setIn(['api_config_source', 'grpc_services', 0, 'envoy_grpc', 'cluster_name'], 'slow_sds');
      value.set('sds_config', source.contents);
    },
  });
}

/** What belongs to a roll, in words. */
function stepOf({ event, secrets = [], late }: LoggedEvent): readonly string[] {
  const kinds = secrets.map(({ name }) => (name === BUNDLE ? 'bundle' : 'certificate'));
  if (event === 'bundle_rollout') return ['a rollout begins'];
  if (event === 'bundle_rolled_out') return [late === 0 ? 'all have it' : `${late} do not have it`];
  if (event === 'secrets_pushed') return kinds.map((kind) => `sent a ${kind}`);
  return event === 'secrets_accepted' ? kinds.map((kind) => `a ${kind} was accepted`) : [];
}
