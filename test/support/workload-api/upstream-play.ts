/**
 * Plays anything that a Workload API can do to a watch and a publisher, and keeps beside it what upstream has said, to hold the secrets
 * against.
 */
import { status } from '@grpc/grpc-js';
import type { X509SVID } from '../../../src/gen/messages.ts';
import type { Naming } from '../../../src/secrets/naming.ts';
import { SecretPublisher } from '../../../src/secrets/publisher.ts';
import { NO_SECRETS, type SecretSet } from '../../../src/secrets/secret-set.ts';
import { SuspendableClock } from '../clocks/suspendable-clock.ts';
import { fc } from '../properties.ts';
import { NAMING, policy } from '../secrets/naming.ts';
import { sha256 } from '../secrets/secret-content.ts';
import { HOUR, NOW } from '../x509/certificates.ts';
import { PlayedWatch } from './played-watch.ts';
import { BUNDLES, CRLS, type Revoking, reader, type Said, type Served, SPOILED, SVIDS } from './upstream-pool.ts';
import { bundlesWith, responseWith } from './workload-messages.ts';

export const TRUST_DOMAINS = Object.keys(BUNDLES);

export const SECRETS: Naming['secrets'] = [
  policy('partners', ['b.test', 'c.test']),
  policy('plain', ['b.test'], { mode: 'trusted_ca', match: [{ prefix: 'spiffe://b.test/' }] }),
  policy('unknown', ['z.test']),
  policy('everybody', undefined, { mode: 'trusted_ca' }),
];

type Bundles = ReadonlyMap<string, Said>;
type Claims = ReadonlyMap<string, readonly string[]>;

/** What one stream said last. */
interface Statement {
  readonly svids: readonly Served[];
  readonly bundles: Claims;
  readonly crls: readonly Revoking[];
}

const SILENCE: Statement = { svids: [], bundles: new Map(), crls: [] };
const claimsOf = (bundles: Bundles): Claims =>
  new Map([...bundles].flatMap(([name, { authorities }]) => (authorities === undefined ? [] : [[name, authorities] as const])));

export class UpstreamPlay {
  readonly clock = new SuspendableClock(NOW);
  readonly #played = new PlayedWatch(reader, 0, this.clock);
  readonly #publisher: SecretPublisher;
  readonly #over = { svids: false, bundles: false };
  naming: Naming = { ...NAMING, secrets: SECRETS };
  set: SecretSet = NO_SECRETS;
  #svids: Statement | undefined;
  #bundles: Statement | undefined;
  #begun = false;
  own: string | undefined;
  /** Trust domains that were trusted at any time. */
  readonly once = new Set<string>();

  private constructor() {
    this.#publisher = new SecretPublisher(this.naming, {
      clock: this.clock,
      events: () => undefined,
      publish: ({ secrets }) => {
        this.set = secrets;
      },
    });
  }

  static async start(): Promise<UpstreamPlay> {
    const play = new UpstreamPlay();
    play.#played.watch.start();
    return play;
  }

  /** The authorities of a trust domain, as upstream said last; what came with the SVIDs counts first. */
  authorities(trustDomain: string): readonly string[] | undefined {
    if (!this.#begun) return undefined;
    return this.#svids?.bundles.get(trustDomain) ?? this.#bundles?.bundles.get(trustDomain);
  }

  /** SVIDs that were given and have not expired, by SPIFFE ID; in the place of one that had expired when it came, the one before it. */
  get svids(): ReadonlyMap<string, X509SVID> {
    const given = this.#svids?.svids ?? [];
    const served = given.flatMap((svid) =>
      [svid, this.#before.get(svid.message.spiffe_id)].filter((one) => this.#isValid(one)).slice(0, 1),
    );
    return new Map(served.flatMap((one) => (one === undefined ? [] : [[one.message.spiffe_id, one.message] as const])).reverse());
  }

  #isValid(svid: Served | undefined): boolean {
    return svid !== undefined && svid.notAfter > this.clock.now();
  }

  /** What came before those of these SVIDs that have expired already. */
  #predecessors(svids: readonly Served[]): ReadonlyMap<string, Served> {
    const valid = [...this.#before.values(), ...(this.#svids?.svids ?? []).toReversed()].filter((svid) => this.#isValid(svid));
    const byId = new Map(valid.map((svid) => [svid.message.spiffe_id, svid]));
    const waiting = new Set(svids.filter((svid) => !this.#isValid(svid)).map(({ message }) => message.spiffe_id));
    return new Map([...byId].filter(([id]) => waiting.has(id)));
  }

  /** The SHA-256 of each CRL that may be sent now, and of whose authority it is. */
  get crls(): ReadonlyMap<string, string> {
    const now = this.clock.now();
    const all = [...(this.#svids?.crls ?? []), ...(this.#bundles?.crls ?? [])];
    const current = all.filter(({ from = 0, until = Infinity }) => from <= now && now < until);
    return new Map(current.flatMap(({ der, by }) => (by === undefined ? [] : [[sha256(der), sha256(by.der)] as const])));
  }

  saySvids(svids: readonly Served[], federated: Bundles, crls: readonly Revoking[], broken: Partial<X509SVID>): void {
    this.#awaitCalls();
    if (this.#over.svids) return;
    const messages = svids.map(({ message }) => ({ ...message, ...broken }));
    const bytes = Object.fromEntries([...federated].map(([name, { bytes }]) => [`spiffe://${name}`, bytes]));
    this.#played.call.message(
      responseWith(
        messages,
        bytes,
        crls.map(({ der }) => der),
      ),
    );
    if (svids.length > 0 && Object.keys(broken).length > 0) return;
    this.#before = this.#predecessors(svids);
    const ofSvids = svids.map(({ message }) => [trustDomainOf(message), authoritiesIn(message)] as const).reverse();
    this.#begun = true;
    this.#svids = { svids, crls, bundles: new Map([...claimsOf(federated), ...ofSvids]) };
    const [first] = svids;
    if (first !== undefined) this.own = trustDomainOf(first.message);
    this.#handedOver();
  }

  sayBundles(bundles: Bundles, crls: readonly Revoking[]): void {
    this.#awaitCalls();
    if (this.#over.bundles) return;
    const bytes = Object.fromEntries([...bundles].map(([name, said]) => [`spiffe://${name}`, said.bytes]));
    this.#played.bundleCall.message(
      bundlesWith(
        bytes,
        crls.map(({ der }) => der),
      ),
    );
    this.#bundles = { ...SILENCE, crls, bundles: claimsOf(bundles) };
    this.#handedOver();
  }

  end(stream: 'svids' | 'bundles', code: status): void {
    this.#awaitCalls();
    if (this.#over[stream]) return;
    const denied = code === status.PERMISSION_DENIED;
    const final = code === status.UNIMPLEMENTED || code === status.INVALID_ARGUMENT;
    if (final) this.#over[stream] = true;
    if (stream === 'svids') {
      if (denied && this.#svids !== undefined && this.#played.onPermissionDenied === 'withdraw') {
        this.#svids = undefined;
        this.#bundles = undefined;
        this.#before = new Map();
      }
      this.#begun ||= denied || final;
    } else if (final || (denied && this.#played.onPermissionDenied === 'withdraw')) {
      this.#bundles = undefined;
    }
    (stream === 'svids' ? this.#played.call : this.#played.bundleCall).end(code, '');
    this.#handedOver();
  }

  configure(naming: Naming, onPermissionDenied: 'withdraw' | 'keep'): void {
    this.naming = naming;
    this.#played.onPermissionDenied = onPermissionDenied;
    this.#publisher.configure(naming);
  }

  pass(ms: number, suspended: boolean): void {
    if (suspended) this.clock.suspend(ms);
    this.clock.advance(suspended ? 30_000 : ms);
  }

  /** A call that ended is made again after a while. */
  #awaitCalls(): void {
    const isAwaited = () =>
      (!this.#over.svids && this.#played.call.over) || (!this.#over.bundles && this.#played.bundleCall.over);
    while (isAwaited()) this.clock.advance(500);
  }

  #handedOver(): void {
    const context = this.#played.contexts.at(-1);
    if (context !== undefined && this.#played.contexts.length > this.#handed) this.#publisher.adopt(context);
    this.#handed = this.#played.contexts.length;
    for (const name of TRUST_DOMAINS) if (this.authorities(name) !== undefined) this.once.add(name);
  }

  #handed = 0;
  #before: ReadonlyMap<string, Served> = new Map();
}

function trustDomainOf({ spiffe_id }: X509SVID): string {
  return spiffe_id.split('/')[2] ?? '';
}

function authoritiesIn({ bundle }: X509SVID): readonly string[] {
  return reader
    .readAll(bundle)
    .certificates.map(({ fingerprint }) => fingerprint)
    .sort();
}

const bundles: fc.Arbitrary<Bundles> = fc
  .record(Object.fromEntries(Object.entries(BUNDLES).map(([name, all]) => [name, fc.option(fc.constantFrom(...all))])))
  .map((chosen) => new Map(Object.entries(chosen).flatMap(([name, one]) => (one === null ? [] : [[name, one] as const]))));
const crls = fc.subarray([...CRLS]);
const codes = Object.values(status).filter((code): code is status => typeof code === 'number');
const broken = fc.option(fc.constantFrom(...SPOILED), { freq: 2, nil: {} });

/** One thing that happens. */
export type Step = (play: UpstreamPlay) => void;

export const steps: fc.Arbitrary<readonly Step[]> = fc.array(
  fc.oneof(
    {
      weight: 4,
      arbitrary: fc.tuple(fc.shuffledSubarray(SVIDS), bundles, crls, broken).map(
        ([svids, federated, crls, broken]): Step =>
          (play) =>
            play.saySvids(svids, federated, crls, broken),
      ),
    },
    {
      weight: 3,
      arbitrary: fc.tuple(bundles, crls).map(
        ([said, crls]): Step =>
          (play) =>
            play.sayBundles(said, crls),
      ),
    },
    {
      weight: 3,
      arbitrary: fc
        .tuple(
          fc.constantFrom('svids', 'bundles'),
          fc.oneof(fc.constantFrom(status.PERMISSION_DENIED, status.UNIMPLEMENTED), fc.constantFrom(...codes)),
        )
        .map(
          ([stream, code]): Step =>
            (play) =>
              play.end(stream, code),
        ),
    },
    {
      weight: 2,
      arbitrary: fc.tuple(fc.nat(15 * HOUR), fc.boolean()).map(
        ([ms, suspended]): Step =>
          (play) =>
            play.pass(ms, suspended),
      ),
    },
    {
      weight: 2,
      arbitrary: fc.tuple(fc.record({ crl: fc.boolean(), unsafe_merge: fc.boolean() }), fc.constantFrom('withdraw', 'keep')).map(
        ([naming, denied]): Step =>
          (play) =>
            play.configure({ ...NAMING, ...naming, prefixes: ['sds://'], secrets: SECRETS }, denied),
      ),
    },
  ),
  { maxLength: 12 },
);
