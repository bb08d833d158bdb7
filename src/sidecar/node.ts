/** Node mode: each peer is a workload, and a broker says what it may have. Loaded in that mode only. */
import { readFileSync } from 'node:fs';
import type { Socket } from 'node:net';
import type { AccessRules } from '../access/access-rules.ts';
import { BrokerClient } from '../broker/client.ts';
import { DelegatedIdentityClient } from '../broker/delegated-client.ts';
import { DelegatedSource } from '../broker/delegated-source.ts';
import { podUidOf, type WorkloadName } from '../broker/reference.ts';
import type { WorkloadSource } from '../broker/workload-source.ts';
import type { Clock } from '../clock.ts';
import type { Configuration } from '../config/schema/schema.ts';
import type { Endpoint } from '../endpoint.ts';
import { messageOf, SpiffeSdsError } from '../error.ts';
import type { EventListener, Peer, WorkloadInfo } from '../events.ts';
import { Attestations } from '../node/attestations.ts';
import { heldApi } from '../node/held-api.ts';
import { type HeldProcess, type HostedWorkload, WorkloadRouter } from '../node/workload-router.ts';
import type { StreamNumbers } from '../sds/numbers.ts';
import type { SdsService } from '../sds/service.ts';
import { ConnectedPeer } from '../server/peer.ts';
import { PeerProcesses } from '../server/peer-process.ts';
import { SharedAuthorities } from '../spiffe/shared-authorities.ts';
import type { X509Context } from '../spiffe/x509-context.ts';
import { Workload } from './workload.ts';

export interface NodeOptions {
  readonly configuration: Configuration;
  readonly access: AccessRules | undefined;
  /** Our own identities, with which the broker is asked. */
  readonly own: () => X509Context;
  readonly numbers: StreamNumbers;
  /** The methods that every workload has. */
  readonly paths: readonly string[];
  readonly clock: Clock;
  readonly random: () => number;
  readonly events: EventListener;
}

/** A workload of this node, with the pipeline that the sidecar has for its one. */
class NodeWorkload implements HostedWorkload {
  readonly pipeline: Workload;

  constructor(pipeline: Workload) {
    this.pipeline = pipeline;
  }

  get methods(): HostedWorkload['methods'] {
    return this.pipeline.service.methods;
  }

  end(why: string): void {
    this.pipeline.service.drain(`this workload has ended: ${why}`);
    this.pipeline.forget();
  }

  drain(): void {
    this.pipeline.stop();
    this.pipeline.service.drain();
  }
}

/** Where what is about the machine comes from. */
export interface NodeSources {
  readonly workloads: WorkloadSource;
  readonly processOf: (peer: Peer) => HeldProcess | undefined;
  /** Called with each connection, at once. Default: nothing is done. */
  readonly accepted?: (socket: Socket) => void;
}

/** All workloads of this node. */
export class Node {
  /** Serves each call for the workload that made it. */
  readonly router: WorkloadRouter<NodeWorkload>;
  readonly #sources: NodeSources;
  readonly #attestations: Attestations;
  readonly #authorities = new SharedAuthorities();
  #configuration: Configuration;
  #access: AccessRules | undefined;

  constructor(options: Omit<NodeOptions, 'own'>, sources: NodeSources) {
    const { configuration, access, numbers, paths, clock, random, events } = options;
    this.#configuration = configuration;
    this.#access = access;
    this.#sources = sources;
    this.#attestations = new Attestations(() => this.#configuration.broker.limits.attestations_per_second, clock);
    this.router = new WorkloadRouter({
      paths,
      processOf: sources.processOf,
      limits: () => this.#configuration.broker.limits,
      clock,
      events,
      host: (workload, lives) => {
        const tell: EventListener = (event) => events({ ...event, workload });
        const api = sources.workloads.workload(this.#nameOf(workload));
        const pipeline = new Workload({
          apis: [heldApi(api, { lives, uid: workload.uid, attestations: this.#attestations })],
          configuration: this.#configuration,
          access: this.#access,
          events: tell,
          clock,
          random,
          numbers,
          authorities: this.#authorities,
        });
        pipeline.start();
        return new NodeWorkload(pipeline);
      },
    });
  }

  /** @throws SpiffeSdsError as `nodeNeeds` does */
  static async open(options: NodeOptions): Promise<Node> {
    const { configuration, own, clock, events } = options;
    const { address, processes } = await nodeNeeds(configuration, clock);
    const { backend, server_id } = configuration.broker;
    if (processes.withoutPidfd) events({ type: 'peer_processes_by_pid' });
    return new Node(options, {
      workloads:
        backend === 'broker'
          ? new BrokerClient({ endpoint: address, serverId: server_id, own })
          : new DelegatedSource(new DelegatedIdentityClient(address)),
      processOf: (peer) => (peer instanceof ConnectedPeer ? peer.ask((socket) => processes.of(socket)) : undefined),
      accepted: (socket) => processes.accepted(socket),
    });
  }

  /** Of each connection, before it is served. */
  accepted(socket: Socket): void {
    this.#sources.accepted?.(socket);
  }

  configure(configuration: Configuration, access: AccessRules | undefined): void {
    this.#configuration = configuration;
    this.#access = access;
    for (const { pipeline } of this.router.hosted()) pipeline.configure(configuration, access);
  }

  *services(): Generator<SdsService> {
    for (const { pipeline } of this.router.hosted()) yield pipeline.service;
  }

  stop(): void {
    this.#attestations.stop();
    this.#sources.workloads[Symbol.dispose]();
  }

  /** Read while the process is held: the router sees to it that nothing is served when it has ended meanwhile. */
  #nameOf({ pid }: WorkloadInfo): WorkloadName {
    if (this.#configuration.broker.reference === 'pid') return { kind: 'pid', pid };
    const uid = podUidOf(cgroupOf(pid));
    // A process in no pod is referred to as no pod, and the broker says so.
    return { kind: 'pod', uid: uid ?? '' };
  }
}

const NO_ADDRESS = {
  broker:
    'mode: node needs a broker: set SPIFFE_BROKER_SOCKET or broker.address, for example unix:///run/spire/broker/broker.sock',
  delegated_identity:
    'mode: node needs the admin socket of the agent: set broker.address to its admin_socket_path, for example unix:///run/spire/admin/admin.sock',
} as const;

/** @throws SpiffeSdsError `config_invalid` without the address of a broker, `credentials_unavailable` where processes cannot be held */
export async function nodeNeeds(
  { broker: { address, backend }, node }: Configuration,
  clock: Clock,
): Promise<{ readonly address: Endpoint; readonly processes: PeerProcesses }> {
  if (address === undefined) throw new SpiffeSdsError('config_invalid', NO_ADDRESS[backend]);
  try {
    return { address, processes: await PeerProcesses.load(clock, { allowWithoutPidfd: node.allow_without_pidfd }) };
  } catch (error) {
    const message = `mode: node needs to hold the processes of its peers: ${messageOf(error)}; use a sidecar for each workload (mode: sidecar), or see node.allow_without_pidfd`;
    throw new SpiffeSdsError('credentials_unavailable', message, { cause: error });
  }
}

function cgroupOf(pid: number): string {
  try {
    return readFileSync(`/proc/${pid}/cgroup`, 'utf8');
  } catch {
    return '';
  }
}
