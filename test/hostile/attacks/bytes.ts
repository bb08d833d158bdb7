/** Much that is not a message yet, or that becomes much. */
import { randomBytes } from 'node:crypto';
import { deflateSync, gzipSync } from 'node:zlib';
import { SECRET_TYPE_URL } from '../../../src/secrets/secret.ts';
import { frameOf } from '../../../src/wire/frame.ts';
import { encode } from '../../../src/wire/wire.ts';
import { type Attack, begin, PATHS } from '../attack.ts';

const MIB = 1024 * 1024;
const ZEROS = Buffer.alloc(MIB);
const GZIPPED = compressed(gzipSync(Buffer.alloc(64 * MIB)));
const DEFLATED = compressed(deflateSync(Buffer.alloc(64 * MIB)));
const UNFINISHED = frameOf(Buffer.alloc(MIB)).subarray(0, -1);
const NEAR_LIMIT = frameOf(Buffer.concat([Buffer.from([0x0a, 0xf0, 0xff, 0x3f]), Buffer.alloc(MIB - 16, 0x61)]));
const NOISE = frameOf(randomBytes(300));

export const BYTES: Readonly<Record<string, Attack>> = {
  'unfinished requests of 1 MiB, 1 000 streams': (attacker) =>
    attacker.onSessions((session) => begin(session, PATHS.sotw).write(UNFINISHED), { perConnection: 1_000 }),
  'prefixes that promise 1 MiB, 16 000 streams': (attacker) =>
    attacker.onSessions((session) => begin(session, PATHS.sotw).write(UNFINISHED.subarray(0, 6)), { perConnection: 16_000 }),
  'health Watch with a name of 1 MB, 500 streams': (attacker) =>
    attacker.onSessions((session) => begin(session, PATHS.health).write(NEAR_LIMIT), { perConnection: 500 }),
  'gzip bombs of 64 MiB': (attacker) =>
    attacker.onSessions((session) => begin(session, PATHS.fetch, { 'grpc-encoding': 'gzip' }).end(GZIPPED)),
  'deflate bombs of 64 MiB': (attacker) =>
    attacker.onSessions((session) => begin(session, PATHS.fetch, { 'grpc-encoding': 'deflate' }).end(DEFLATED)),
  'compressed messages in calls that say nothing of it': (attacker) =>
    attacker.onSessions((session) => begin(session, PATHS.sotw).end(GZIPPED)),
  'messages longer than allowed': (attacker) =>
    attacker.onSessions((session) => begin(session, PATHS.sotw).write(frameOf(Buffer.concat([ZEROS, ZEROS]))), { perTurn: 2 }),
  'node metadata of 900 kB, 300 streams': (attacker) =>
    attacker.onSessions((session) => begin(session, PATHS.sotw).write(request(metadata(900))), {
      perConnection: 300,
      perTurn: 2,
    }),
  'node metadata nested 10 000 deep': (attacker) =>
    attacker.onSessions((session) => begin(session, PATHS.sotw).write(DEEP), { perConnection: 1_000, perTurn: 5 }),
  'messages that do not parse': (attacker) => attacker.onSessions((session) => begin(session, PATHS.delta).write(NOISE)),
  'requests in pieces of one byte': (attacker) =>
    attacker.onSessions((session) => {
      const stream = begin(session, PATHS.sotw);
      for (const byte of NOISE) stream.write(Buffer.from([byte]));
    }),
};

function request(node: object): Buffer {
  return frameOf(
    encode('envoy.service.discovery.v3.DiscoveryRequest', { type_url: SECRET_TYPE_URL, resource_names: ['default'], node }),
  );
}

/** @param count of values, a kilobyte each */
function metadata(count: number): object {
  const fields = Array.from({ length: count }, (_, i) => [`key-${i}`, { string_value: 'x'.repeat(1_000) }] as const);
  return { id: 'attacker', metadata: { fields: Object.fromEntries(fields) } };
}

/** A google.protobuf.Struct in a Struct in a Struct, as node.metadata of a DiscoveryRequest. */
const DEEP = frameOf(
  field(
    2,
    field(
      3,
      Array.from({ length: 10_000 }).reduce<Buffer>((inner) => field(1, field(2, field(5, inner))), Buffer.alloc(0)),
    ),
  ),
);

/** A field of bytes, as protobuf writes it. */
function field(number: number, content: Buffer): Buffer {
  const length: number[] = [];
  let rest = content.length;
  for (; rest > 127; rest = Math.floor(rest / 128)) length.push((rest % 128) | 128);
  return Buffer.concat([Buffer.from([(number << 3) | 2, ...length, rest]), content]);
}

function compressed(bytes: Buffer): Buffer {
  const frame = Buffer.from(frameOf(bytes));
  frame[0] = 1;
  return frame;
}
