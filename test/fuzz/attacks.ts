/** What a client may do to the socket, short of what it should. */
import { connect } from 'node:http2';
import { duplexPair } from 'node:stream';
import fc from 'fast-check';
import { SECRET_TYPE_URL } from '../../src/secrets/secret.ts';
import { encode } from '../../src/wire/wire.ts';
import { message, mutated } from './messages.ts';

export type Attack =
  /** A call over sound HTTP/2. */
  | { readonly kind: 'call'; readonly path: string; readonly frames: readonly Buffer[]; readonly halfClose: boolean }
  /** A connection that says this. */
  | { readonly kind: 'connection'; readonly bytes: Buffer };

const SDS = '/envoy.service.secret.v3.SecretDiscoveryService';
const ADS = '/envoy.service.discovery.v3.AggregatedDiscoveryService';
export const FETCH = `${SDS}/FetchSecrets`;
const PREFACE = Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n');
const FRAME_HEADER_BYTES = 9;

const path = fc.oneof(
  {
    weight: 12,
    arbitrary: fc.constantFrom(
      `${SDS}/StreamSecrets`,
      `${SDS}/DeltaSecrets`,
      `${ADS}/StreamAggregatedResources`,
      `${ADS}/DeltaAggregatedResources`,
      FETCH,
    ),
  },
  { weight: 1, arbitrary: fc.constantFrom('/', `${SDS}/`, `${SDS}/constructor`, '/__proto__/x', '*') },
);

/** How far the length in a frame's header is from the truth: mostly nothing. */
const lie = fc.oneof(
  { weight: 9, arbitrary: fc.constant(0) },
  { weight: 1, arbitrary: fc.constantFrom(1, -1, 1_000, 0x7f_ff_ff_ff, 0xff_ff_ff_00) },
);
const compressed = fc.oneof({ weight: 9, arbitrary: fc.constant(0) }, { weight: 1, arbitrary: fc.constantFrom(1, 2, 255) });
const frame = fc.tuple(message, compressed, lie).map(([bytes, flag, off]) => grpcFrame(bytes, flag, off));

/** @param flag whether it says to be compressed: 0, 1, or nonsense */
export function grpcFrame(bytes: Buffer, flag = 0, off = 0): Buffer {
  const header = Buffer.from([flag, 0, 0, 0, 0]);
  header.writeUInt32BE(Math.max(0, bytes.length + off) % 2 ** 32, 1);
  return Buffer.concat([header, bytes]);
}

const anyHttp2Frame = fc
  .tuple(fc.nat(12), fc.nat(255), fc.nat(7), fc.uint8Array({ maxLength: 60 }), fc.constantFrom(0, 0, 0, 1, 100_000))
  .map(([type, flags, stream, payload, off]) => {
    const header = Buffer.alloc(FRAME_HEADER_BYTES);
    header.writeUIntBE(payload.length + off, 0, 3);
    header.set([type, flags], 3);
    header.writeUInt32BE(stream, 5);
    return Buffer.concat([header, payload]);
  });

/** @returns attacks; to the same seed the same */
export async function attacks(): Promise<fc.Arbitrary<Attack>> {
  const sound = await recordedConnection();
  const noise = fc.uint8Array({ maxLength: 300 }).map((bytes) => Buffer.from(bytes));
  const frames = fc.array(anyHttp2Frame, { maxLength: 10 }).map((parts) => Buffer.concat(parts));
  const bytes = fc.oneof(
    noise,
    noise.map((rest) => Buffer.concat([PREFACE, rest])),
    frames.map((rest) => Buffer.concat([PREFACE, rest])),
    frames.map((rest) => Buffer.concat([sound, rest])),
    mutated(fc.constant(sound)),
    fc.constant(Buffer.from('GET / HTTP/1.1\r\nHost: x\r\n\r\n')),
  );
  const call = fc.record({
    kind: fc.constant('call' as const),
    path,
    frames: fc.array(frame, { maxLength: 5 }),
    halfClose: fc.boolean(),
  });
  return fc.oneof(
    { weight: 9, arbitrary: call },
    { weight: 1, arbitrary: bytes.map((said): Attack => ({ kind: 'connection', bytes: said })) },
  );
}

/** What a good client sends: preface, settings, headers and a request. */
async function recordedConnection(): Promise<Buffer> {
  const [near, far] = duplexPair();
  const session = connect('http://localhost', { createConnection: () => near });
  const call = session.request({ ':method': 'POST', ':path': `${SDS}/StreamSecrets`, 'content-type': 'application/grpc' });
  session.on('error', () => undefined);
  call.on('error', () => undefined);
  const request = { type_url: SECRET_TYPE_URL, resource_names: ['default'] };
  call.write(grpcFrame(encode('envoy.service.discovery.v3.DiscoveryRequest', request)));
  let said = Buffer.alloc(0);
  for await (const chunk of far as AsyncIterable<Buffer>) {
    said = Buffer.concat([said, chunk]);
    if (said.includes('default')) break;
  }
  session.destroy();
  return said;
}
