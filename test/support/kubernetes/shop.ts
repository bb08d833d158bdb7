/** The example of deploy/helm, run: two kinds of pods, what issues their identities, the Service before the servers, and a roll of pods. */
import { chmod, mkdtempDisposable } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { ContainerEngine } from '../containers/engine.ts';
import { buildImages, nodeImage } from '../containers/stand-ins.ts';
import { eventually } from '../eventually.ts';
import { SaidWorkloadApi } from '../workload-api/said-workload-api.ts';
import { responseWith, svidMessage } from '../workload-api/workload-messages.ts';
import { HOUR, type Issued, issueAuthority, issueLeaf } from '../x509/certificates.ts';
import { type KubernetesObject, podOf } from './objects.ts';
import { Pod } from './pod.ts';
import { Service } from './service.ts';

export type Part = 'server' | 'client';

/** What the client's application counts. */
export interface Tally {
  readonly answered: number;
  readonly failed: number;
  readonly last: string;
  readonly lastFailure: string;
}

const NETWORK = 'pod-test';
/** How long a cluster needs to tell every node that a pod is no endpoint any more. */
const PROPAGATION_MS = 1_000;
const MTLS_PORT = 8443;

export class Shop implements AsyncDisposable {
  readonly engine: ContainerEngine;
  readonly #objects: readonly KubernetesObject[];
  readonly #parts: AsyncDisposableStack;
  readonly #folder: string;
  readonly #authority: Issued;
  readonly #apis = new Map<Part, SaidWorkloadApi>();
  readonly #pods = new Set<Pod>();
  #service: Service | undefined;
  #gateway = '';
  #started = 0;

  private constructor(
    engine: ContainerEngine,
    objects: readonly KubernetesObject[],
    parts: AsyncDisposableStack,
    folder: string,
    authority: Issued,
  ) {
    this.engine = engine;
    this.#objects = objects;
    this.#parts = parts;
    this.#folder = folder;
    this.#authority = authority;
  }

  /** Builds the images. No pod runs at first. */
  static async open(objects: readonly KubernetesObject[]): Promise<Shop> {
    const engine = await ContainerEngine.open();
    await buildImages(engine);
    const parts = new AsyncDisposableStack();
    const folder = parts.use(await mkdtempDisposable(join(tmpdir(), 'shop-')));
    await chmod(folder.path, 0o755);
    const authority = await issueAuthority({ notBefore: Date.now() - HOUR, notAfter: Date.now() + 24 * HOUR });
    const shop = new Shop(engine, objects, parts, folder.path, authority);
    // What a run before this one may have left when it was killed.
    const left = (await engine.remains()).containers.filter((name) => /^demo-(server|client)-\d+-/.test(name));
    const isPause = (name: string) => name.endsWith('-pause');
    for (const names of [left.filter((name) => !isPause(name)), left.filter(isPause)])
      if (names.length > 0) await engine.tried('rm', '--force', '--time=0', ...names);
    await engine.tried('network', 'rm', '--force', NETWORK);
    await engine.podman('network', 'create', NETWORK);
    parts.defer(async () => void (await engine.tried('network', 'rm', '--force', NETWORK)));
    for (const part of ['server', 'client'] as const) await shop.#serveIdentity(part);
    return shop;
  }

  /** The pods that there are, of a part. */
  pods(part: Part): readonly Pod[] {
    return [...this.#pods].filter(({ name }) => name.includes(`-${part}-`));
  }

  /** A new pod, which is an endpoint when it is ready. */
  async start(part: Part): Promise<Pod> {
    const pod = await Pod.start({
      engine: this.engine,
      name: `demo-${part}-${++this.#started}`,
      spec: podOf(this.#objects, `demo-${part}`),
      objects: this.#objects,
      workloadApi: join(this.#folder, part),
      network: NETWORK,
      pauseImage: await nodeImage(),
      hosts: { 'demo-server.shop.svc': await this.#serviceAddress() },
    });
    this.#pods.add(pod);
    await pod.ready();
    if (this.#service !== undefined) this.#service.endpoints = this.#endpoints();
    return pod;
  }

  /** Ends a pod; the cluster hears of it a moment later. */
  async remove(pod: Pod): Promise<void> {
    const ended = pod.terminate();
    await delay(PROPAGATION_MS);
    if (this.#service !== undefined) this.#service.endpoints = this.#endpoints();
    await ended;
    this.#pods.delete(pod);
  }

  /** As a Deployment replaces its pods with maxSurge 1 and maxUnavailable 0. */
  async roll(part: Part): Promise<void> {
    for (const old of this.pods(part)) {
      await this.start(part);
      await this.remove(old);
    }
  }

  /** As `kubectl drain` evicts pods where a budget lets go of one at a time. */
  async evict(part: Part): Promise<void> {
    for (const old of this.pods(part)) {
      await this.remove(old);
      await this.start(part);
    }
  }

  /** A new certificate for a part. Returns its serial number. */
  async rotate(part: Part): Promise<string> {
    const { message, serial } = await this.#message(part);
    this.#apis.get(part)?.say(message);
    return serial;
  }

  /** Waits until this pod's Envoy has acknowledged the identity with that serial number. */
  async acknowledged(pod: Pod, serial: string): Promise<void> {
    await eventually(
      `${pod.name} to use ${serial}`,
      async () => {
        const { stdout } = await pod.exec('spiffe-sds', 'spiffe-sds', 'status', '--output', 'json');
        const { identities, names, subscribers } = JSON.parse(stdout);
        const version = names.find(({ name }: { name: string }) => name === 'default')?.version;
        const sent = subscribers.flatMap(
          (subscriber: { names: readonly { name: string; acked?: string }[] }) => subscriber.names,
        );
        const isNew = BigInt(`0x${identities[0]?.serial}`) === BigInt(`0x${serial}`);
        const isAcked = sent.some(({ name, acked }: { name: string; acked?: string }) => name === 'default' && acked === version);
        return (isNew && isAcked) || undefined;
      },
      40_000,
    );
  }

  async tally(client: Pod): Promise<Tally> {
    const lines = (await client.log('app')).trim().split('\n');
    return JSON.parse(lines.at(-1) ?? '') as Tally;
  }

  /** Waits until the client has had that many more answers. */
  async answers(client: Pod, more: number): Promise<void> {
    const tally = () => this.tally(client).catch(() => ({ answered: 0 }));
    const { answered } = await tally();
    await eventually(`${more} answers`, async () => (await tally()).answered >= answered + more || undefined, 60_000);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const pod of this.#pods) await pod[Symbol.asyncDispose]();
    await this.#parts.disposeAsync();
  }

  #endpoints(): readonly string[] {
    return this.pods('server').flatMap(({ address, isTerminating }) => (isTerminating ? [] : [address]));
  }

  /** The bridge has its address while something is connected to it: the Service is opened when the first server is there. */
  async #serviceAddress(): Promise<string> {
    if (this.#gateway === '') {
      const format = '{{ (index .Subnets 0).Gateway }}';
      this.#gateway = await this.engine.podman('network', 'inspect', '--format', format, NETWORK);
    }
    if (this.#service === undefined && this.#pods.size > 0) {
      this.#service = this.#parts.use(await Service.open(this.#gateway, MTLS_PORT, MTLS_PORT));
      this.#service.endpoints = this.#endpoints();
    }
    return this.#gateway;
  }

  async #serveIdentity(part: Part): Promise<void> {
    const path = join(this.#folder, part, 'spire-agent.sock');
    const { message } = await this.#message(part);
    this.#apis.set(part, this.#parts.use(await SaidWorkloadApi.start(path, message)));
    await chmod(join(this.#folder, part), 0o755);
    await chmod(path, 0o777);
  }

  async #message(part: Part) {
    const id = `spiffe://example.org/ns/shop/sa/demo-${part}`;
    const leaf = await issueLeaf(this.#authority, id, { notBefore: Date.now() - 60_000, notAfter: Date.now() + HOUR });
    return { message: responseWith([svidMessage(id, [leaf], [this.#authority])]), serial: leaf.certificate.serialNumber };
  }
}
