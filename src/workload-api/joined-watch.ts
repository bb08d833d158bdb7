/**
 * Watches the Workload APIs of one workload, and joins what they say: one as a rule, several while a workload moves from one to another.
 * Each is on its own: one that is away withdraws nothing, and one that denies withdraws only what it gave.
 */
import type { Clock } from '../clock.ts';
import type { Conflict, Event, EventListener } from '../events.ts';
import type { CertificateReader } from '../spiffe/certificate-reader.ts';
import type { PublishedJwks } from '../spiffe/jwt/jwt-bundle.ts';
import { EMPTY_CONTEXT, type X509Context } from '../spiffe/x509-context.ts';
import { bundleChanges, sameContext } from './changes.ts';
import { joinContexts } from './joined-context.ts';
import { JwtBundleWatch } from './jwt-bundle-watch.ts';
import { jwtBundlesKnown, type Member, stopMember } from './member.ts';
import { X509Watch } from './watch.ts';
import type { WorkloadApi } from './workload-api.ts';

/** How long the first context waits for Workload APIs that have neither answered nor failed, so that the first of them stays the first. */
const FIRST_CONTEXT_MS = 5_000;

export interface JoinedWatchOptions {
  /** One or more. */
  readonly apis: readonly WorkloadApi[];
  /** Makes a reader for each. */
  readonly reader: () => CertificateReader;
  readonly clock: Clock;
  /** Uniform in [0, 1). */
  readonly random: () => number;
  /** Whether PermissionDenied withdraws what that Workload API gave. */
  readonly onPermissionDenied: () => 'withdraw' | 'keep';
  readonly events: EventListener;
  /** Called with the newest context (EMPTY_CONTEXT when all was withdrawn) and the reason why missing parts were withdrawn. */
  readonly onContext: (context: X509Context, reason: string) => void;
}

export class JoinedWatch {
  readonly #options: JoinedWatchOptions;
  /** In the order of the configuration. */
  #members: readonly Member[];
  /** Those that are not configured any more, until the new ones have answered. */
  #leaving: readonly Member[] = [];
  #started = false;
  #jwtAsked = false;
  #context = EMPTY_CONTEXT;
  #handedOver: X509Context | undefined;
  #conflicts: readonly Conflict[] = [];
  #stopWaiting: (() => void) | undefined;
  /** Whether the first context has been handed over, or need not wait any more. */
  #begun = false;

  constructor(options: JoinedWatchOptions) {
    this.#options = options;
    this.#members = options.apis.map((api) => this.#member(api));
  }

  start(): void {
    this.#started = true;
    if (this.#members.length > 1) this.#tellMembers();
    for (const { watch } of this.#members) watch.start();
  }

  stop(): void {
    this.#stopWaiting?.();
    for (const member of this.#all) stopMember(member);
  }

  /** Asks these from now on. One that is known goes on; one that is not among them stays until all new ones have answered. */
  configure(apis: readonly WorkloadApi[]): void {
    const known = this.#all;
    const before = this.#members;
    const members = apis.map(
      ({ address }, place) => known.find(({ api }) => api.address === address) ?? this.#member(apis[place] as WorkloadApi),
    );
    if (members.length === before.length && members.every((member, place) => member === before[place])) return;
    this.#members = members;
    this.#leaving = known.filter((member) => !members.includes(member));
    this.#tellMembers();
    if (!this.#started) return;
    for (const member of members) {
      member.watch.start();
      if (this.#jwtAsked) void member.jwtBundles.known();
    }
    this.#look(NOT_CONFIGURED);
  }

  /** Tokens come from the Workload API that gives the identity. */
  get tokens(): Pick<WorkloadApi, 'fetchJwtSvid' | 'verdictOf'> {
    const apiOf = (id: string) =>
      (this.#all.find(({ context }) => context.svids.some((svid) => svid.id === id)) ?? this.#first).api;
    return {
      fetchJwtSvid: (request) => apiOf(request.spiffe_id).fetchJwtSvid(request),
      verdictOf: (code) => this.#first.api.verdictOf(code),
    };
  }

  /** The keys of JWT-SVIDs; of a trust domain that several have, those of the first. */
  readonly jwtBundles = {
    /** Resolves when each has answered or cannot be reached; of one alone an answer is waited for. */
    known: async (): Promise<void> => {
      this.#jwtAsked = true;
      const [only, ...others] = this.#all as readonly [Member, ...Member[]];
      if (others.length === 0) return only.jwtBundles.known();
      await Promise.all(this.#all.map(jwtBundlesKnown));
    },
    of: (trustDomain: string): PublishedJwks | undefined => {
      for (const { jwtBundles } of this.#all) {
        const found = jwtBundles.of(trustDomain);
        if (found !== undefined) return found;
      }
      return undefined;
    },
  };

  get #all(): readonly Member[] {
    return [...this.#members, ...this.#leaving];
  }

  get #first(): Member {
    return this.#members[0] as Member;
  }

  #member(api: WorkloadApi): Member {
    const { reader, clock, random, onPermissionDenied, events } = this.#options;
    const tell: EventListener = (event) => {
      events(this.#all.length > 1 ? { ...event, source: api.address } : event);
      this.#heard(member, event);
    };
    const common = { api, clock, random, onPermissionDenied, events: tell };
    const member: Member = {
      api,
      watch: new X509Watch({
        ...common,
        reader: reader(),
        onContext: (context, reason) => {
          member.context = context;
          member.progress = 'answered';
          this.#look(reason);
        },
      }),
      jwtBundles: new JwtBundleWatch(common),
      context: EMPTY_CONTEXT,
      progress: 'asked',
      knowsJwtBundles: false,
      isAway: false,
      away: Promise.withResolvers(),
    };
    return member;
  }

  #heard(member: Member, event: Event): void {
    if (event.type === 'workload_api_connected' && member.isAway) {
      member.isAway = false;
      member.away = Promise.withResolvers();
    }
    if (event.type !== 'workload_api_lost') return;
    member.isAway = true;
    member.away.resolve();
    const isAnswer = event.code === 'PERMISSION_DENIED' || event.retryInMs === undefined;
    if (isAnswer) member.progress = 'answered';
    else if (member.progress === 'asked') member.progress = 'failed';
    if (!this.#begun || this.#leaving.length > 0) this.#look(event.meaning);
  }

  /** Joins what there is now. */
  #look(why: string): void {
    const reason = this.#letGo() ? NOT_CONFIGURED : why;
    if (!this.#mayBegin()) return;
    const { events, onContext } = this.#options;
    const { context, conflicts } = joinContexts(this.#all.map(({ api, context }) => ({ address: api.address, context })));
    this.#tellConflicts(conflicts);
    for (const change of bundleChanges(this.#context, context, reason)) events(change);
    this.#context = context;
    if (this.#handedOver !== undefined && sameContext(this.#handedOver, context)) return;
    if (this.#handedOver === undefined && context === EMPTY_CONTEXT) return;
    this.#handedOver = context;
    onContext(context, reason);
  }

  /** Lets those go that are not configured any more, once all that are have answered. */
  #letGo(): boolean {
    if (this.#leaving.length === 0 || !this.#members.every(({ progress }) => progress === 'answered')) return false;
    const gone = this.#leaving;
    this.#leaving = [];
    for (const member of gone) stopMember(member);
    this.#tellMembers();
    return true;
  }

  /** The first of several that answers must not pass for the first in the list. */
  #mayBegin(): boolean {
    if (this.#begun) return true;
    if (this.#all.length > 1 && this.#members.some(({ progress }) => progress === 'asked')) {
      this.#stopWaiting ??= this.#options.clock.after(FIRST_CONTEXT_MS, () => this.#begin());
      return false;
    }
    this.#stopWaiting?.();
    this.#begun = this.#all.some(({ progress }) => progress === 'answered');
    return this.#begun;
  }

  #begin(): void {
    if (this.#begun) return;
    this.#begun = true;
    this.#look('the others have given nothing yet');
  }

  #tellConflicts(conflicts: readonly Conflict[]): void {
    const { events } = this.#options;
    const before = this.#conflicts;
    this.#conflicts = conflicts;
    for (const conflict of before)
      if (!conflicts.some((other) => isSame(conflict, other))) events({ type: 'workload_api_conflict_over', ...conflict });
    for (const conflict of conflicts)
      if (!before.some((known) => isSame(known, conflict))) events({ type: 'workload_api_conflict', ...conflict });
  }

  #tellMembers(): void {
    const addresses = (members: readonly Member[]) => members.map(({ api }) => api.address);
    this.#options.events({ type: 'workload_apis', addresses: addresses(this.#members), leaving: addresses(this.#leaving) });
  }
}

const NOT_CONFIGURED = 'its Workload API is not in the configuration any more';

function isSame(a: Conflict, b: Conflict): boolean {
  return a.of === b.of && a.name === b.name && a.used === b.used && a.left === b.left;
}
