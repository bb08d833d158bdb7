/**
 * Whatever rules there are, whoever asks and however, and whatever changes meanwhile: no byte of a secret reaches a peer whose rules do not
 * give it at that moment. What the rules give is worked out here by other means than in src/.
 */
import { setImmediate } from 'node:timers/promises';
import { expect, test } from 'vitest';
import { type AccessRule, AccessRules } from '../../src/access/access-rules.ts';
import type { Peer } from '../../src/events.ts';
import type { DiscoveryRequest } from '../../src/gen/messages.ts';
import { SDS, SdsService, type SdsSettings } from '../../src/sds/service.ts';
import type { Secret } from '../../src/secrets/secret.ts';
import { NO_SECRETS, type SecretSet } from '../../src/secrets/secret-set.ts';
import type { Call, CallHandler } from '../../src/server/grpc/call.ts';
import { PREFIX_BYTES } from '../../src/wire/frame.ts';
import { decode, encode, type Input } from '../../src/wire/wire.ts';
import { ManualClock } from '../support/clocks/manual-clock.ts';
import { fc, runs } from '../support/properties.ts';

const RUNS = runs(1_500);

const CERTIFICATES = ['a', 'b'];
const NAMES = [...CERTIFICATES, 'bundle'];
const NODES = ['edge', 'core'];
const PEERS: readonly Peer[] = [
  { connection: 1, credentials: { uid: 1, gid: 1, pid: 7 }, groups: [] },
  { connection: 2, credentials: { uid: 2, gid: 1, pid: 8 }, groups: [3] },
  { connection: 3, credentials: { uid: 1, gid: 2, pid: 7 }, groups: [3, 4] },
  { connection: 4 },
];

interface Rule {
  readonly uids?: readonly number[] | undefined;
  readonly gids?: readonly number[] | undefined;
  readonly node?: string | undefined;
  readonly names?: readonly string[] | undefined;
}

type Action =
  | { readonly kind: 'rules'; readonly rules: readonly Rule[] | undefined }
  | { readonly kind: 'secrets'; readonly versions: Readonly<Record<string, string>>; readonly bundleFirst: boolean }
  | { readonly kind: 'turn' }
  | { readonly kind: 'open'; readonly peer: number; readonly node: string; readonly delta: boolean; readonly has: boolean }
  | { readonly kind: 'ask'; readonly stream: number; readonly names: readonly string[] }
  | { readonly kind: 'answer'; readonly stream: number; readonly accepts: boolean }
  | { readonly kind: 'fetch'; readonly peer: number; readonly node: string; readonly names: readonly string[] };

const few = (max: number) => fc.uniqueArray(fc.integer({ min: 1, max }), { minLength: 1 });
/** As a rule it is not there: rules that fit nobody teach little. */
const optional = <T>(arbitrary: fc.Arbitrary<T>) =>
  fc.oneof({ weight: 3, arbitrary: fc.constant(undefined) }, { weight: 1, arbitrary });
const rule: fc.Arbitrary<Rule> = fc.record({
  uids: optional(few(2)),
  gids: optional(few(4)),
  node: optional(fc.constantFrom(...NODES)),
  names: fc.option(fc.subarray(NAMES), { nil: undefined }),
});
const version = fc.constantFrom('1', '2', '3');
const kind = <K extends Action['kind']>(kind: K) => ({ kind: fc.constant(kind) });
const peer = fc.nat(PEERS.length - 1);
const node = fc.constantFrom(...NODES);
const names = fc.subarray(NAMES);
const action: fc.Arbitrary<Action> = fc.oneof(
  {
    weight: 3,
    arbitrary: fc.record({
      ...kind('rules'),
      rules: fc.option(fc.array(rule, { minLength: 1, maxLength: 3 }), { nil: undefined }),
    }),
  },
  {
    weight: 3,
    arbitrary: fc.record({
      ...kind('secrets'),
      versions: fc.record({ a: version, b: version, bundle: version }, { requiredKeys: [] }),
      bundleFirst: fc.boolean(),
    }),
  },
  { weight: 4, arbitrary: fc.record(kind('turn')) },
  { weight: 1, arbitrary: fc.record({ ...kind('open'), peer, node, delta: fc.boolean(), has: fc.boolean() }) },
  { weight: 3, arbitrary: fc.record({ ...kind('ask'), stream: fc.nat(9), names }) },
  { weight: 8, arbitrary: fc.record({ ...kind('answer'), stream: fc.nat(9), accepts: fc.boolean() }) },
  { weight: 2, arbitrary: fc.record({ ...kind('fetch'), peer, node, names }) },
);

/** Somebody has everything before anything changes. */
const BEFORE: readonly Action[] = [
  { kind: 'secrets', versions: { a: '1', b: '1', bundle: '1' }, bundleFirst: false },
  ...[false, true].flatMap((delta, stream): readonly Action[] => [
    { kind: 'open', peer: 0, node: 'edge', delta, has: true },
    { kind: 'ask', stream, names: NAMES },
  ]),
  { kind: 'turn' },
];

/** The names that a peer may have: the definition, word for word. */
function mayHave(rules: readonly Rule[] | undefined, { credentials, groups = [] }: Peer, node: string): readonly string[] {
  if (rules === undefined) return NAMES;
  if (credentials === undefined) return [];
  for (const { uids, gids, node: wanted, names } of rules) {
    const isUser = uids === undefined || uids.includes(credentials.uid);
    const isMember = gids === undefined || [credentials.gid, ...groups].some((gid) => gids.includes(gid));
    if (isUser && isMember && (wanted === undefined || wanted === node)) return names ?? NAMES;
  }
  return [];
}

function compiled(rules: readonly Rule[] | undefined): AccessRules | undefined {
  const equals = (wanted: string | undefined) => (wanted === undefined ? undefined : (text: string) => text === wanted);
  const given = rules?.map(({ node, ...rule }): AccessRule => ({ ...rule, nodeId: equals(node) }));
  return given && new AccessRules(given, (names) => (name) => names.includes(name));
}

/** Content that tells whose it is, wherever it turns up; one that trusts nobody tells nothing. */
function setOf(versions: Readonly<Record<string, string>>): SecretSet {
  const kindOf = (name: string) => (name === 'bundle' ? 'validation_context' : 'tls_certificate');
  const make = (name: string, version: string): Secret => ({
    name,
    version,
    kind: kindOf(name),
    any: encode('google.protobuf.Any', { type_url: 'x', value: Buffer.from(version === '0' ? '' : `content of ${name};`) }),
  });
  const secrets = new Map(Object.entries(versions).map(([name, version]) => [name, make(name, version)]));
  const names = [...secrets.keys()];
  const denial = (name: string) => make(name, '0');
  return { ...NO_SECRETS, complete: true, ids: names, names, denial, get: (name) => secrets.get(name) };
}

/** A client's end of a call, which looks at every byte that comes. */
class Suspicious {
  readonly peer: Peer;
  readonly node: string;
  readonly delta: boolean;
  handler: CallHandler | undefined;
  nonce = '';
  /** What it got and may not have. */
  readonly stolen: string[] = [];
  readonly #mayHave: () => readonly string[];
  #asked: readonly string[] = [];
  #greeted = false;
  readonly #has: boolean;

  constructor(peer: Peer, node: string, delta: boolean, has: boolean, mayHave: () => readonly string[]) {
    this.peer = peer;
    this.node = node;
    this.delta = delta;
    this.#has = has;
    this.#mayHave = mayHave;
  }

  send(frame: Buffer): void {
    const secrets = NAMES.filter((name) => frame.includes(`content of ${name};`));
    const allowed = this.#mayHave();
    const stolen = secrets.filter((name) => !allowed.includes(name));
    if (stolen.length > 0) this.stolen.push(`${stolen.join()}, of ${allowed.join()}`);
    const bytes = frame.subarray(PREFIX_BYTES);
    this.nonce = this.delta
      ? decode('envoy.service.discovery.v3.DeltaDiscoveryResponse', bytes).nonce
      : decode('envoy.service.discovery.v3.DiscoveryResponse', bytes).nonce;
    this.handler?.sent?.();
  }

  end(_code: number, details: string): void {
    this.handler?.closed(details);
    this.handler = undefined;
  }

  ask(names: readonly string[]): void {
    const gone = this.#asked.filter((name) => !names.includes(name));
    this.#asked = names;
    const versions = this.#has && !this.#greeted ? Object.fromEntries(names.map((name) => [name, '1'])) : {};
    this.#say(names, gone, { initial_resource_versions: versions });
  }

  answer(accepts: boolean): void {
    if (this.nonce === '') return;
    this.#say([], [], { response_nonce: this.nonce, ...(!accepts && { error_detail: { code: 13, message: 'no' } }) });
  }

  #say(more: readonly string[], gone: readonly string[], rest: object): void {
    const node = this.#greeted ? {} : { node: { id: this.node, cluster: '' } };
    this.#greeted = true;
    const version_info = this.#has ? '1' : '';
    this.handler?.message(
      this.delta
        ? encode('envoy.service.discovery.v3.DeltaDiscoveryRequest', {
            ...node,
            resource_names_subscribe: more,
            resource_names_unsubscribe: gone,
            ...rest,
          })
        : encode('envoy.service.discovery.v3.DiscoveryRequest', {
            ...node,
            resource_names: this.#asked,
            version_info,
            ...withoutVersions(rest),
          }),
    );
  }
}

function withoutVersions(rest: object): object {
  return Object.fromEntries(Object.entries(rest).filter(([key]) => key !== 'initial_resource_versions'));
}

async function stolenBy(actions: readonly Action[]): Promise<readonly string[]> {
  const clock = new ManualClock();
  let rules: readonly Rule[] | undefined;
  const settings = (): SdsSettings => ({
    answerEmptyRequest: true,
    validation: 'spiffe',
    onDemand: () => false,
    maxNames: 100,
    bundleAckTimeoutMs: 2_000,
    access: compiled(rules),
  });
  const service = new SdsService(settings(), { events: () => undefined, clock });
  const streams: Suspicious[] = [];
  const calls: Suspicious[] = [];
  const open = (method: string, call: Suspicious) => {
    calls.push(call);
    call.handler = service.methods[`/${SDS}/${method}`]?.(call as unknown as Call, {});
  };
  for (const action of actions) {
    switch (action.kind) {
      case 'rules':
        rules = action.rules;
        service.configure(settings());
        break;
      case 'secrets':
        service.update({ secrets: setOf(action.versions), cause: 'workload_api', bundleFirst: action.bundleFirst });
        break;
      case 'turn':
        await setImmediate();
        break;
      case 'open': {
        const who = PEERS[action.peer] as Peer;
        const call = new Suspicious(who, action.node, action.delta, action.has, () => mayHave(rules, who, action.node));
        open(action.delta ? 'DeltaSecrets' : 'StreamSecrets', call);
        streams.push(call);
        break;
      }
      case 'ask':
        streams[action.stream % streams.length]?.ask(action.names);
        break;
      case 'answer':
        streams[action.stream % streams.length]?.answer(action.accepts);
        break;
      case 'fetch': {
        const who = PEERS[action.peer] as Peer;
        const call = new Suspicious(who, action.node, false, false, () => mayHave(rules, who, action.node));
        open('FetchSecrets', call);
        const request: Input<DiscoveryRequest> = {
          node: { id: action.node, cluster: '' },
          resource_names: action.names,
        };
        call.handler?.message(encode('envoy.service.discovery.v3.DiscoveryRequest', request));
        call.handler?.halfClosed();
        break;
      }
    }
  }
  await setImmediate();
  service.drain();
  return calls.flatMap(({ stolen }) => stolen);
}

test('no byte of a secret reaches a peer whose rules do not give it', { timeout: 60_000 }, async () => {
  const steals = fc.asyncProperty(fc.array(action, { maxLength: 60 }), async (actions) => {
    expect(await stolenBy([...BEFORE, ...actions])).toEqual([]);
  });
  await fc.assert(steals, RUNS);
});

test('and the others get theirs', async () => {
  const got: string[] = [];
  const clock = new ManualClock();
  const access = compiled([{ uids: [1], names: ['a'] }]);
  const settings = { answerEmptyRequest: true, validation: 'spiffe', onDemand: () => false, maxNames: 9, access } as const;
  const service = new SdsService({ ...settings, bundleAckTimeoutMs: 0 }, { events: () => undefined, clock });
  service.update({ secrets: setOf({ a: '1', b: '1' }), cause: 'workload_api', bundleFirst: false });
  const call = new Suspicious(PEERS[0] as Peer, 'edge', false, false, () => {
    got.push('a');
    return ['a'];
  });
  call.handler = service.methods[`/${SDS}/StreamSecrets`]?.(call as unknown as Call, {});
  call.ask(['a', 'b']);
  await setImmediate();
  expect(got).toEqual(['a']);
});
