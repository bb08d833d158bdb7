/** CA rolls. In one message: two Envoys that verify each other never see a certificate of a CA that they do not know yet. */
import { once } from 'node:events';
import { connect, createServer, type Socket } from 'node:net';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { Document, isMap, isScalar, visit } from 'yaml';
import { eventually } from '../../support/eventually.ts';
import { describeWithEnvoy } from '../../support/mesh/envoy.ts';
import { BACKEND, FRONTEND, type Mesh, newBundle, rotated, Stage, startMesh, startMeshOn } from '../../support/mesh/mesh.ts';
import type { Relay } from '../../support/mesh/relay.ts';
import { SteadyLoad } from '../../support/mesh/steady-load.ts';
import type { LoggedEvent } from '../../support/sidecar/sidecar-process.ts';

const BUNDLE = 'spiffe://example.org';
const BACKEND_ADDRESS = pathOf('static_resources.clusters.1.load_assignment.endpoints.0.lb_endpoints.0.endpoint.address');
const ROUTE = 'static_resources.listeners.0.filter_chains.0.filters.0.typed_config.route_config.virtual_hosts.0.routes.0.route';
const RETRY_ON = pathOf(`${ROUTE}.retry_policy.retry_on`);

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

/** A side verifies with what it had when it began or accepted the connection. */
describeWithEnvoy()('a connection that begins before a step of a CA roll and reaches its server after it', () => {
  it.each<[readonly Step[], Step]>([
    [[], 'prepare'],
    [['prepare'], 'activate'],
    [['prepare', 'activate'], 'retire'],
  ])('is served: done is %j, then %s', async (done, step) => {
    await using mesh = await startWithDoorman();
    expect((await requestThatSpans(mesh, done, [step])).status).toBe(200);
  });

  it('is refused by the client, when it spans the new CA and its first certificates', async () => {
    await using mesh = await startWithDoorman();
    const { status, reason } = await requestThatSpans(mesh, [], ['prepare', 'activate']);
    expect([status, reason]).toEqual([503, expect.stringContaining('remote connection failure')]);
    expect(await mesh.client.stat('cluster.backend.ssl.fail_verify_error')).toBe(1);
  });

  it('is refused by the server, when it spans the new certificates and the end of the old CA', async () => {
    await using mesh = await startWithDoorman();
    const { status, reason } = await requestThatSpans(mesh, ['prepare'], ['activate', 'retire']);
    expect([status, reason]).toEqual([503, expect.stringContaining('remote connection failure')]);
    expect([...(await mesh.server.stats('^listener.*ssl.fail_verify_error')).values()]).toEqual([1]);
  });

  it('is refused and made again, where the route has retry_on: connect-failure', async () => {
    await using mesh = await startWithDoorman((bootstrap) => bootstrap.setIn(RETRY_ON, 'connect-failure'));
    expect((await requestThatSpans(mesh, ['prepare'], ['activate', 'retire'])).status).toBe(200);
    expect(await mesh.client.stat('cluster.backend.upstream_rq_retry_success')).toBe(1);
  });
});

type Step = 'prepare' | 'activate' | 'retire';

/** Of a bootstrap. */
function pathOf(path: string): readonly (string | number)[] {
  return path.split('.').map((part) => (/^\d+$/.test(part) ? Number(part) : part));
}

/** Each has come to both Envoys before the next begins. */
async function take(mesh: Mesh, steps: readonly Step[]): Promise<void> {
  const { workloadApi } = mesh;
  for (const step of steps) {
    if (step === 'prepare') await newBundle(mesh, () => workloadApi.prepareAuthority());
    if (step === 'retire') await newBundle(mesh, () => workloadApi.retireAuthority());
    if (step === 'activate') {
      await workloadApi.activateAuthority();
      await bothPresent(mesh);
    }
  }
}

/** @returns how a request ends that the client begins after the steps `before`, and that comes to the server after the steps `during` */
async function requestThatSpans(
  mesh: Mesh & { readonly doorman: Doorman },
  before: readonly Step[],
  during: readonly Step[],
): Promise<{ readonly status: number; readonly reason: string }> {
  await take(mesh, before);
  const late = fetch(mesh.url);
  await mesh.doorman.arrival();
  await take(mesh, during);
  mesh.doorman.letIn();
  const response = await late;
  return { status: response.status, reason: await response.text() };
}

/** Between the client and the server: whoever comes waits until all are let in. */
class Doorman implements AsyncDisposable {
  readonly path: string;
  readonly #port: number;
  readonly #server = createServer({ pauseOnConnect: true }, (near) => this.#take(near));
  readonly #sockets: Socket[] = [];
  #waiting: Socket[] | undefined = [];

  constructor(path: string, port: number) {
    this.path = path;
    this.#port = port;
    this.#server.listen(path);
  }

  /** Somebody waits. */
  async arrival(): Promise<void> {
    if (this.#waiting?.length === 0) await once(this.#server, 'connection');
  }

  /** Those who wait, and from now on everybody. */
  letIn(): void {
    const waiting = this.#waiting ?? [];
    this.#waiting = undefined;
    for (const near of waiting) this.#take(near);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const socket of this.#sockets) socket.destroy();
    await new Promise((closed) => this.#server.close(closed));
  }

  #take(near: Socket): void {
    if (this.#waiting !== undefined) {
      this.#waiting.push(near);
      return;
    }
    const far = connect(this.#port, '127.0.0.1');
    this.#sockets.push(near, far);
    near.pipe(far).pipe(near);
    for (const socket of [near, far]) socket.on('error', () => undefined);
  }
}

async function startWithDoorman(edit?: (bootstrap: Document) => void): Promise<Mesh & { readonly doorman: Doorman }> {
  const stage = await Stage.prepare();
  const workloadApi = await stage.startWorkloadApi();
  const sidecar = await stage.startSidecar();
  const server = await stage.startServer();
  const serverPort = await server.port('mtls');
  const doorman = new Doorman(join(stage.folder, 'door.sock'), serverPort);
  const toDoorman = (bootstrap: Document) => {
    edit?.(bootstrap);
    bootstrap.setIn(BACKEND_ADDRESS, { pipe: { path: doorman.path } });
  };
  const client = await stage.startClient(serverPort, { edit: toDoorman });
  await Promise.all([server.live(), client.live()]);
  const url = `http://127.0.0.1:${await client.port('plain')}/`;
  const dispose = async () => {
    await doorman[Symbol.asyncDispose]();
    await stage[Symbol.asyncDispose]();
  };
  return { stage, workloadApi, sidecar, server, serverPort, client, url, doorman, [Symbol.asyncDispose]: dispose };
}

async function bothPresent({ workloadApi, server, client }: Mesh): Promise<void> {
  const serials = workloadApi.serials();
  await Promise.all([server.presents(serials.get(BACKEND)), client.presents(serials.get(FRONTEND))]);
}

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
