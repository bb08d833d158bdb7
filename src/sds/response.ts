/**
 * A DiscoveryResponse as bytes. What many streams share is encoded once; a response adds only its nonce, which protobuf lets stand
 * after the other fields.
 */
import { createHash } from 'node:crypto';
import { SECRET_TYPE_URL, type Secret } from '../secrets/secret.ts';
import { version } from '../version.ts';
import { encode } from '../wire.ts';
import type { SotwResponse } from './sotw.ts';

const RESOURCES_FIELD = 2;
const NONCE_FIELD = 5;
/** Identifies us in Envoy's control_plane statistics. */
const CONTROL_PLANE = { identifier: `spiffe-sds/${version}` };

/** What the responses with this one secret share, and the last of them: a change reaches most streams under the same nonce. */
interface Encoded {
  readonly shared: Buffer;
  readonly nonce: string;
  readonly response: Buffer;
}

const encoded = new WeakMap<Secret, Encoded>();

/** envoy.service.discovery.v3.DiscoveryResponse. The bytes may be those of an earlier call. */
export function encodeResponse({ secrets, nonce }: SotwResponse): Buffer {
  const [first] = secrets;
  if (first === undefined || secrets.length > 1) return withNonce(encodeShared(secrets), nonce);
  const known = encoded.get(first);
  if (known?.nonce === nonce) return known.response;
  const shared = known?.shared ?? encodeShared(secrets);
  const response = withNonce(shared, nonce);
  encoded.set(first, { shared, nonce, response });
  return response;
}

/** Of one secret its own version, so that Envoy shows the same one as in delta; of several a hash over theirs. */
export function responseVersion(secrets: readonly Secret[]): string {
  const [first] = secrets;
  if (first !== undefined && secrets.length === 1) return first.version;
  const hash = createHash('sha256');
  for (const { name, version } of secrets) hash.update(`${name}\0${version}\0`);
  return hash.digest('hex').slice(0, 16);
}

function withNonce(shared: Buffer, nonce: string): Buffer {
  return Buffer.concat([shared, lengthDelimited(NONCE_FIELD, Buffer.from(nonce))]);
}

function encodeShared(secrets: readonly Secret[]): Buffer {
  const head = encode('envoy.service.discovery.v3.DiscoveryResponse', {
    version_info: responseVersion(secrets),
    type_url: SECRET_TYPE_URL,
    control_plane: CONTROL_PLANE,
  });
  return Buffer.concat([head, ...secrets.map(({ any }) => lengthDelimited(RESOURCES_FIELD, any))]);
}

/** A length-delimited field (protobuf encoding, wire type 2) with a number below 16. */
function lengthDelimited(field: number, bytes: Uint8Array): Buffer {
  const head = [(field << 3) | 2];
  let length = bytes.length;
  for (; length > 0x7f; length >>>= 7) head.push((length & 0x7f) | 0x80);
  head.push(length);
  return Buffer.concat([Buffer.from(head), bytes]);
}
