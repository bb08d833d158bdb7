/**
 * The secret discovery service of a node: each call goes to the workload whose process is at the other end of its connection, which has a
 * service of its own. A workload begins with the first call of a process, is shared by all connections of that process, and ends with it, or
 * when its last connection has been gone for a while.
 *
 * A process is known by its pid while a pidfd of it is held: as long as that process lives, nobody else has its pid.
 */
import type { Clock } from '../clock.ts';
import type { EventListener, Peer, WorkloadInfo } from '../events.ts';
import type { Call, CallHandler, Method } from '../server/grpc/call.ts';
import type { GrpcService } from '../server/grpc/grpc-server.ts';
import { type Failure, Status } from '../server/grpc/status.ts';
import type { PeerProcess } from '../server/peer-process.ts';

/** An Envoy that lost its connection comes back within 30 s. */
const LINGER_MS = 60_000;

/** What is done for one workload. */
export interface HostedWorkload {
  readonly methods: Readonly<Record<string, Method>>;
  /** Ends its streams, drops all that it has, and overwrites its keys. */
  end(why: string): void;
  /** The sidecar stops: ends its streams. */
  drain(): void;
}

/** The process of a peer, and who it is. */
export type HeldProcess = Pick<PeerProcess, 'ended' | 'onEnded' | 'close'>;

export interface WorkloadRouterOptions<Hosted extends HostedWorkload> {
  /** By path: those that every workload has. */
  readonly paths: readonly string[];
  /** The process at the other end of a connection; undefined when the kernel does not tell. */
  readonly processOf: (peer: Peer) => HeldProcess | undefined;
  /** @param lives whether its process does; false at the latest when `end` was called */
  readonly host: (workload: WorkloadInfo, lives: () => boolean) => Hosted;
  readonly limits: () => WorkloadLimits;
  readonly clock: Clock;
  readonly events: EventListener;
}

/** How many workloads there may be at a time. */
export interface WorkloadLimits {
  readonly workloads: number;
  readonly workloads_per_uid: number;
}

interface Entry<Hosted> {
  readonly workload: WorkloadInfo;
  readonly process: HeldProcess;
  readonly hosted: Hosted;
  readonly peers: Set<Peer>;
  readonly forgetProcess: () => void;
  stopLinger: () => void;
  ended: boolean;
}

const NOT_SEEN =
  'spiffe-sds does not see the process of this connection: run it in the pid namespace of the host (hostPID), and let the peer connect from this machine';
const GONE = 'the process that opened this connection has ended';

export class WorkloadRouter<Hosted extends HostedWorkload> implements GrpcService {
  readonly methods: Readonly<Record<string, Method>>;
  readonly #options: WorkloadRouterOptions<Hosted>;
  readonly #byPid = new Map<number, Entry<Hosted>>();
  readonly #byPeer = new WeakMap<Peer, Entry<Hosted>>();
  #begun = 0;
  #draining = false;

  constructor(options: WorkloadRouterOptions<Hosted>) {
    this.#options = options;
    this.methods = Object.fromEntries(
      options.paths.map((path): [string, Method] => [path, (call, headers) => this.#route(path, call, headers)]),
    );
  }

  /** Those that there are now. */
  *hosted(): Generator<Hosted> {
    for (const { hosted } of this.#byPid.values()) yield hosted;
  }

  get size(): number {
    return this.#byPid.size;
  }

  /** A connection is closed: without any its workload ends after a while. */
  closed(peer: Peer): void {
    const entry = this.#byPeer.get(peer);
    if (entry === undefined || !entry.peers.delete(peer) || entry.peers.size > 0 || entry.ended) return;
    entry.stopLinger();
    entry.stopLinger = this.#options.clock.after(LINGER_MS, () => this.#end(entry, 'it has had no connection for a minute'));
  }

  drain(): void {
    this.#draining = true;
    for (const { hosted, stopLinger, forgetProcess } of this.#byPid.values()) {
      stopLinger();
      forgetProcess();
      hosted.drain();
    }
  }

  #route(path: string, call: Call, headers: Parameters<Method>[1]): CallHandler {
    const found = this.#workloadOf(call.peer);
    if ('code' in found) {
      call.end(found.code, found.details);
      return NOBODY;
    }
    const method = found.hosted.methods[path];
    if (method === undefined) throw new Error(`no workload has the method ${path}`);
    return method(call, headers);
  }

  #workloadOf(peer: Peer): Entry<Hosted> | Failure {
    const known = this.#byPeer.get(peer);
    if (known !== undefined && this.#lives(known)) return known;
    if (known !== undefined) return { code: Status.PERMISSION_DENIED, details: GONE };
    if (this.#draining) return { code: Status.UNAVAILABLE, details: 'spiffe-sds is shutting down' };
    const { credentials } = peer;
    if (credentials === undefined || credentials.pid === 0)
      return this.#refuse(peer, 'process', Status.PERMISSION_DENIED, NOT_SEEN);
    const process = this.#options.processOf(peer);
    if (process === undefined) return this.#refuse(peer, 'process', Status.PERMISSION_DENIED, GONE);
    return this.#entryOf(peer, credentials, process);
  }

  /**
   * The order matters. While the process that is known lives, it has this pid; the one that connected had it when it did. When both live after
   * that, they are one.
   */
  #entryOf(
    peer: Peer,
    { pid, uid }: { readonly pid: number; readonly uid: number },
    process: HeldProcess,
  ): Entry<Hosted> | Failure {
    const known = this.#byPid.get(pid);
    const other = known !== undefined && this.#lives(known) ? known : undefined;
    if (process.ended) {
      process.close();
      return this.#refuse(peer, 'process', Status.PERMISSION_DENIED, GONE);
    }
    if (other === undefined) return this.#begin(peer, pid, uid, process);
    process.close();
    this.#join(other, peer);
    return other;
  }

  #begin(peer: Peer, pid: number, uid: number, process: HeldProcess): Entry<Hosted> | Failure {
    const { limits, host, events } = this.#options;
    const { workloads, workloads_per_uid } = limits();
    const ofUser = [...this.#byPid.values()].filter(({ workload }) => workload.uid === uid).length;
    const tooMany =
      this.#byPid.size >= workloads
        ? `there are ${workloads} workloads already (broker.limits.workloads)`
        : ofUser >= workloads_per_uid
          ? `uid ${uid} has ${workloads_per_uid} workloads already (broker.limits.workloads_per_uid)`
          : undefined;
    if (tooMany !== undefined) {
      process.close();
      return this.#refuse(peer, 'workloads', Status.RESOURCE_EXHAUSTED, tooMany);
    }
    const workload: WorkloadInfo = { number: ++this.#begun, pid, uid };
    events({ type: 'workload_begun', workload });
    const entry: Entry<Hosted> = {
      workload,
      process,
      hosted: host(workload, () => this.#lives(entry)),
      peers: new Set(),
      forgetProcess: process.onEnded(() => this.#end(entry, 'its process has ended')),
      stopLinger: () => undefined,
      ended: false,
    };
    this.#byPid.set(pid, entry);
    this.#join(entry, peer);
    return entry;
  }

  #join(entry: Entry<Hosted>, peer: Peer): void {
    entry.stopLinger();
    entry.peers.add(peer);
    this.#byPeer.set(peer, entry);
  }

  /** Asks the kernel, not the timer that looks now and then. */
  #lives(entry: Entry<Hosted>): boolean {
    if (!entry.ended && entry.process.ended) this.#end(entry, 'its process has ended');
    return !entry.ended;
  }

  #end(entry: Entry<Hosted>, reason: string): void {
    if (entry.ended) return;
    entry.ended = true;
    if (this.#byPid.get(entry.workload.pid) === entry) this.#byPid.delete(entry.workload.pid);
    entry.stopLinger();
    entry.forgetProcess();
    entry.hosted.end(reason);
    entry.process.close();
    this.#options.events({ type: 'workload_ended', workload: entry.workload, reason });
  }

  #refuse(peer: Peer, reason: 'process' | 'workloads', code: number, details: string): Failure {
    this.#options.events({ type: 'workload_refused', reason, details, peer });
    return { code, details };
  }
}

const NOBODY: CallHandler = { message: () => undefined, halfClosed: () => undefined, closed: () => undefined };
