/** The state of the sidecar, built from its events: metrics, status and health read it. */
import type { Clock } from '../clock.ts';
import type { Event, SvidEvent, WorkloadInfo } from '../events.ts';
import type { SpiffeId, TrustDomain } from '../spiffe/spiffe-id.ts';
import { History } from './history.ts';
import { SideProblems } from './side-problems.ts';
import { type ObservedUpstream, Upstreams } from './upstreams.ts';

/** Times are milliseconds since the epoch. */
export interface ObservedIdentity {
  readonly id: SpiffeId;
  readonly hint: string;
  readonly serial: string;
  readonly notAfter: number;
  /** When this certificate came to be served. */
  readonly receivedAt: number;
  /** When a message with it was discarded, or it was found not rotated in time. */
  readonly lastFailure?: number;
  /** Why an Envoy may have trouble with it. */
  readonly warning?: string;
}

export interface ObservedBundle {
  readonly trustDomain: TrustDomain;
  readonly authorities: number;
  /** When the last of its authorities expires. */
  readonly notAfter: number;
  readonly updatedAt: number;
}

export interface ObservedToken {
  readonly id: SpiffeId;
  readonly audience: readonly string[];
  readonly notAfter: number;
  readonly receivedAt: number;
}

export interface Reload {
  readonly at: number;
  /** Absent: it is in force. */
  readonly problem?: string;
  readonly needRestart: readonly string[];
}

/** What is known of one workload of a node. */
export interface ObservedWorkload {
  readonly workload: WorkloadInfo;
  readonly observed: Observed;
}

export class Observed {
  readonly #clock: Clock;
  /** When this began. */
  readonly startedAt: number;
  readonly identities = new Map<SpiffeId, ObservedIdentity>();
  /** SVIDs that are not valid yet while nothing is served in their place, and from when they are. */
  readonly waiting = new Map<SpiffeId, number>();
  readonly bundles = new Map<TrustDomain, ObservedBundle>();
  readonly distrusted = new Set<TrustDomain>();
  /** By identity and audience. */
  readonly tokens = new Map<string, ObservedToken>();
  readonly upstreams: Upstreams;
  lastReload: Reload | undefined;
  readonly sideProblems = new SideProblems();
  listening: string | undefined;
  /** Why nobody can connect there just now. */
  socketLost: string | undefined;
  draining = false;
  readonly history = new History();
  /** Changes with each event that is not about a single peer. */
  revision = 0;
  /** Changes with each event. */
  heard = 0;
  /** Whether an update is being sent: some stream that it concerns has not answered yet. */
  pushing = false;
  /** Whether there ever was an identity and a bundle. */
  served = false;
  /** In node mode, by their numbers: all else here is about spiffe-sds itself. */
  readonly workloads = new Map<number, ObservedWorkload>();

  constructor(clock: Clock) {
    this.#clock = clock;
    this.startedAt = clock.now();
    this.upstreams = new Upstreams(this.startedAt);
  }

  /** Of spiffe-sds itself and of all workloads. Of those that several have, the one that expires first. */
  overAll(): { readonly identities: readonly ObservedIdentity[]; readonly bundles: readonly ObservedBundle[] } {
    const all = [this, ...[...this.workloads.values()].map(({ observed }) => observed)];
    return {
      identities: earliest(all.flatMap(({ identities }) => [...identities])),
      bundles: earliest(all.flatMap(({ bundles }) => [...bundles])),
    };
  }

  hear(event: Event): void {
    this.heard += 1;
    this.history.hear(event, this.#now);
    // What is about a single peer happens on each stream, and changes nothing below.
    if ('peer' in event) return;
    this.revision += 1;
    this.sideProblems.hear(event, this.#now);
    if (event.workload !== undefined) {
      this.#hearOf(event.workload, event);
      return;
    }
    this.#apply(event);
  }

  /** The Workload API; of several the one that is worst. */
  get upstream(): ObservedUpstream['upstream'] {
    return this.upstreams.worst.upstream;
  }

  #apply(event: Event): void {
    this.upstreams.hear(event, this.#now);
    switch (event.type) {
      case 'listening':
        this.listening = event.address;
        break;
      case 'socket_lost':
        this.socketLost = event.reason;
        break;
      case 'socket_restored':
        this.socketLost = undefined;
        break;
      case 'draining':
        this.draining = true;
        break;
      case 'context_discarded':
        // It may have contained a newer SVID for each of them.
        for (const id of this.identities.keys()) this.#failed(id);
        break;
      case 'svid_received':
      case 'svid_rotated':
      case 'svid_chain_changed':
        this.#received(event);
        break;
      case 'svid_expiring':
        this.#failed(event.id);
        break;
      case 'svid_expired':
        // Its time will not come any more.
        this.waiting.delete(event.id);
        this.#failed(event.id);
        break;
      case 'svid_not_yet_valid':
        if (event.meanwhile === 'nothing') this.waiting.set(event.id, event.from);
        break;
      case 'svid_valid':
        this.waiting.delete(event.id);
        break;
      case 'svid_withdrawn':
        this.identities.delete(event.id);
        this.waiting.delete(event.id);
        break;
      case 'bundle_updated': {
        const { trustDomain, authorities, notAfter } = event;
        this.bundles.set(trustDomain, { trustDomain, authorities, notAfter, updatedAt: this.#now });
        this.distrusted.delete(trustDomain);
        break;
      }
      case 'bundle_withdrawn':
        this.bundles.delete(event.trustDomain);
        break;
      case 'trust_domain_distrusted':
        this.distrusted.add(event.trustDomain);
        break;
      case 'token_received':
      case 'token_rotated': {
        const { id, audience, notAfter } = event;
        this.tokens.set(JSON.stringify([id, audience]), { id, audience, notAfter, receivedAt: this.#now });
        break;
      }
      case 'token_withdrawn':
        this.tokens.delete(JSON.stringify([event.id, event.audience]));
        break;
      case 'update_settled':
        this.pushing = false;
        break;
      case 'secrets_updated':
        this.pushing = true;
        this.served ||= this.identities.size > 0 && this.bundles.size > 0;
        break;
      case 'configuration_reloaded':
        this.lastReload = { at: this.#now, needRestart: event.needRestart };
        break;
      case 'configuration_rejected':
        this.lastReload = { at: this.#now, problem: event.reason, needRestart: this.lastReload?.needRestart ?? [] };
        break;
    }
  }

  #hearOf(workload: WorkloadInfo, event: Event): void {
    if (event.type === 'workload_begun') this.workloads.set(workload.number, { workload, observed: new Observed(this.#clock) });
    if (event.type === 'workload_ended') this.workloads.delete(workload.number);
    const { workload: _, ...itsOwn } = event;
    const found = this.workloads.get(workload.number);
    if (found !== undefined) found.observed.#apply(itsOwn as Event);
  }

  get #now(): number {
    return this.#clock.now();
  }

  #received({ type, id, hint, serial, notAfter, warning }: SvidEvent): void {
    const before = this.identities.get(id);
    this.waiting.delete(id);
    this.identities.set(id, {
      id,
      hint,
      serial,
      notAfter,
      receivedAt: type === 'svid_chain_changed' && before !== undefined ? before.receivedAt : this.#now,
      ...(before?.lastFailure !== undefined && { lastFailure: before.lastFailure }),
      ...(warning !== undefined && { warning }),
    });
  }

  #failed(id: SpiffeId): void {
    const identity = this.identities.get(id);
    if (identity !== undefined) this.identities.set(id, { ...identity, lastFailure: this.#now });
  }
}

function earliest<Key, Value extends { readonly notAfter: number }>(
  entries: readonly (readonly [Key, Value])[],
): readonly Value[] {
  const found = new Map<Key, Value>();
  for (const [key, value] of entries) {
    const known = found.get(key);
    if (known === undefined || value.notAfter < known.notAfter) found.set(key, value);
  }
  return [...found.values()];
}
