/** Sound requests that ask for too much, or for what must not be said as it is. */
import { SECRET_TYPE_URL } from '../../../src/secrets/secret.ts';
import { frameOf } from '../../../src/wire/frame.ts';
import { encode } from '../../../src/wire/wire.ts';
import { type Attack, begin, PATHS } from '../attack.ts';

/** NUL, line ends, terminal commands, text that turns around, half a surrogate pair's worth of nothing, and what HTML would take. */
const NASTY = '\0\r\n{"level":60}\x1b[2J\u202e\u2028<script>"\\,}\u0085';

export const NAMES: Readonly<Record<string, Attack>> = {
  '300 streams with 1 000 names that nobody has': (attacker) =>
    attacker.onSessions((session, turn) => begin(session, PATHS.sotw).write(sotw(names(1_000, `held-${turn}-`))), {
      perConnection: 300,
      perTurn: 5,
    }),
  '100 000 names in a request': (attacker) =>
    attacker.onSessions((session) => begin(session, PATHS.sotw).write(MANY), { perTurn: 2 }),
  'names of 60 kB': (attacker) =>
    attacker.onSessions((session, turn) => begin(session, PATHS.delta).write(delta([`${turn}${'n'.repeat(60_000)}`])), {
      perConnection: 1_000,
    }),
  'other names in each request of a stream': (attacker) => {
    let stream: ReturnType<typeof begin> | undefined;
    return attacker.onSessions((session, turn) => {
      if (stream === undefined || stream.destroyed || stream.session !== session) stream = begin(session, PATHS.sotw);
      stream.write(sotw(names(100, `other-${turn}-`)));
    });
  },
  'names subscribed and unsubscribed in turn': (attacker) => {
    let stream: ReturnType<typeof begin> | undefined;
    return attacker.onSessions((session) => {
      if (stream === undefined || stream.destroyed || stream.session !== session) stream = begin(session, PATHS.delta);
      stream.write(delta(TURN)).valueOf();
      stream.write(delta([], TURN));
    });
  },
  'everything, on 16 000 streams': (attacker) =>
    attacker.onSessions((session) => begin(session, PATHS.sotw).write(sotw([])), { perConnection: 16_000 }),
  'names with control characters': (attacker) =>
    attacker.onSessions((session, turn) => begin(session, PATHS.sotw).write(sotw([`${NASTY}${turn}`])), { perConnection: 5_000 }),
  'a node id with control characters on each stream': (attacker) =>
    attacker.onSessions(
      (session, turn) => begin(session, PATHS.delta).write(delta(['default'], [], { id: `${NASTY}${turn}`, cluster: NASTY })),
      { perConnection: 5_000 },
    ),
  'NACKs with control characters and 100 kB': (attacker) =>
    attacker.onSessions((session) => {
      const stream = begin(session, PATHS.sotw, {});
      stream.write(sotw(['default'], { id: NASTY }));
      stream.write(REJECTION);
    }),
  'answers to responses that there never were': (attacker) => {
    let stream: ReturnType<typeof begin> | undefined;
    return attacker.onSessions((session, turn) => {
      if (stream === undefined || stream.destroyed || stream.session !== session) stream = begin(session, PATHS.sotw);
      stream.write(stale(`${turn}`));
    });
  },
};

function sotw(resource_names: readonly string[], node = { id: 'attacker' }): Buffer {
  return frameOf(encode('envoy.service.discovery.v3.DiscoveryRequest', { type_url: SECRET_TYPE_URL, resource_names, node }));
}

function delta(subscribe: readonly string[], unsubscribe: readonly string[] = [], node: object = { id: 'attacker' }): Buffer {
  const request = {
    type_url: SECRET_TYPE_URL,
    resource_names_subscribe: subscribe,
    resource_names_unsubscribe: unsubscribe,
    node,
  };
  return frameOf(encode('envoy.service.discovery.v3.DeltaDiscoveryRequest', request));
}

function stale(response_nonce: string): Buffer {
  const request = { type_url: SECRET_TYPE_URL, resource_names: ['default'], version_info: 'x', response_nonce };
  return frameOf(encode('envoy.service.discovery.v3.DiscoveryRequest', request));
}

function names(count: number, prefix: string): readonly string[] {
  return Array.from({ length: count }, (_, i) => `${prefix}${i}`);
}

const MANY = sotw(names(100_000, 'n'));
const TURN = names(500, 'turn-');
/** The first response of a stream has the nonce 1. */
const REJECTION = frameOf(
  encode('envoy.service.discovery.v3.DiscoveryRequest', {
    type_url: SECRET_TYPE_URL,
    resource_names: ['default'],
    response_nonce: '1',
    error_detail: { code: 13, message: `${NASTY} `.repeat(4_000) },
  }),
);
