/** Calls by the thousand. */
import { SECRET_TYPE_URL } from '../../../src/secrets/secret.ts';
import { frameOf } from '../../../src/wire/frame.ts';
import { encode } from '../../../src/wire/wire.ts';
import { type Attack, begin, PATHS } from '../attack.ts';

const HONEST = request(SECRET_TYPE_URL);
const DENIED = request('type.googleapis.com/envoy.config.cluster.v3.Cluster');

export const CALLS: Readonly<Record<string, Attack>> = {
  'deadlines of a nanosecond': (attacker) =>
    attacker.onSessions((session) => begin(session, PATHS.sotw, { 'grpc-timeout': '1n' }).write(HONEST)),
  'deadlines of three hours, and nothing more': (attacker) =>
    attacker.onSessions((session) => begin(session, PATHS.sotw, { 'grpc-timeout': '3H' }), { perConnection: 16_000 }),
  'methods that there are not': (attacker) =>
    attacker.onSessions((session, turn) => begin(session, `/no.such.Service/Method${turn}`).end()),
  'types that are refused': (attacker) => attacker.onSessions((session) => begin(session, PATHS.sotw).write(DENIED)),
  'FetchSecrets as fast as it goes': (attacker) => attacker.onSessions((session) => begin(session, PATHS.fetch).end(HONEST)),
  'content types that are not of gRPC': (attacker) =>
    attacker.onSessions((session) => begin(session, PATHS.fetch, { 'content-type': 'text/plain' }).end(HONEST)),
  'streams opened, answered and cancelled': (attacker) =>
    attacker.onSessions((session) => {
      const stream = begin(session, PATHS.sotw);
      stream.write(HONEST);
      stream.once('data', () => stream.close());
    }),
  '8 connections with 16 000 calls that say nothing': async (attacker) => {
    await Promise.all(
      Array.from({ length: 8 }, () =>
        attacker.onSessions((session) => begin(session, PATHS.sotw), { perConnection: 16_000, perTurn: 100 }),
      ),
    );
  },
  'calls until the connection is closed, and then another': (attacker) =>
    attacker.onSessions((session) => begin(session, PATHS.sotw).write(HONEST), { perTurn: 100 }),
  'subscribers that never read, 10 connections': async (attacker) => {
    await Promise.all(
      Array.from({ length: 10 }, () =>
        attacker.onSessions(
          (session) => {
            begin(session, PATHS.sotw).pause().write(HONEST);
          },
          { perConnection: 1_000, settings: { initialWindowSize: 0 } },
        ),
      ),
    );
  },
};

function request(type_url: string): Buffer {
  return frameOf(
    encode('envoy.service.discovery.v3.DiscoveryRequest', { type_url, resource_names: ['default'], node: { id: 'attacker' } }),
  );
}
