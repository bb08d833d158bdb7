/**
 * Responses as they travel. What many streams share is encoded once; a response adds only its nonce, which protobuf lets stand after the
 * other fields.
 */
import { createHash } from 'node:crypto';
import { SECRET_TYPE_URL, type Secret } from '../../secrets/secret.ts';
import { version } from '../../version.ts';
import { type Frame, frameOf } from '../../wire/frame.ts';
import { encode } from '../../wire/wire.ts';
import type { DeltaResponse } from './delta.ts';
import type { SotwResponse } from './sotw-state.ts';

/** Both have the same numbers in DiscoveryResponse and DeltaDiscoveryResponse. */
const RESOURCES_FIELD = 2;
const NONCE_FIELD = 5;
/** Of Resource. */
const RESOURCE_FIELD = 2;
/** Identifies us in Envoy's control_plane statistics. */
const CONTROL_PLANE = { identifier: `spiffe-sds/${version}` };

/** To be written one after the other: a secret may be many megabytes, and is copied once, into its response. */
type Pieces = readonly Uint8Array[];

/** What the responses with these secrets share, and the last of them: a change reaches most streams under the same nonce. */
interface Encoded {
  readonly secrets: readonly Secret[];
  readonly shared: Pieces;
  readonly nonce: string;
  readonly response: Frame;
}

/** By the first secret. Of one, and of several: who asks for everything would displace what most ask for. */
type Responses = readonly [one: WeakMap<Secret, Encoded>, several: WeakMap<Secret, Encoded>];

const sotwResponses: Responses = [new WeakMap(), new WeakMap()];
const deltaResponses: Responses = [new WeakMap(), new WeakMap()];

/** envoy.service.discovery.v3.DiscoveryResponse. The bytes may be those of an earlier call. */
export function encodeSotw({ secrets, nonce }: Pick<SotwResponse, 'secrets' | 'nonce'>): Frame {
  return encodeOnce(sotwResponses, secrets, nonce, sotwPart);
}

/** envoy.service.discovery.v3.DeltaDiscoveryResponse. The bytes may be those of an earlier call. */
export function encodeDelta({ secrets, removed, nonce }: DeltaResponse): Frame {
  if (removed.length > 0) return withNonce(deltaPart(secrets, removed), nonce);
  return encodeOnce(deltaResponses, secrets, nonce, deltaPart);
}

/** envoy.service.discovery.v3.DiscoveryResponse to a unary call, which has no nonce. */
export function encodeFetch(secrets: readonly Secret[]): Frame {
  return frameOf(...sotwPart(secrets));
}

/** Overwrites the last responses with this secret, which must not be sent any more. */
export function wipeResponses(secret: Secret): void {
  for (const known of [...sotwResponses, ...deltaResponses]) {
    known.get(secret)?.response.fill(0);
    known.delete(secret);
  }
}

function encodeOnce(
  [one, several]: Responses,
  secrets: readonly Secret[],
  nonce: string,
  part: (secrets: readonly Secret[]) => Pieces,
): Frame {
  const [first] = secrets;
  if (first === undefined) return withNonce(part(secrets), nonce);
  const known = secrets.length === 1 ? one : several;
  const found = known.get(first);
  const before = found !== undefined && areSame(found.secrets, secrets) ? found : undefined;
  if (before?.nonce === nonce) return before.response;
  const shared = before?.shared ?? part(secrets);
  const response = withNonce(shared, nonce);
  known.set(first, { secrets, shared, nonce, response });
  return response;
}

function areSame(some: readonly Secret[], others: readonly Secret[]): boolean {
  return some.length === others.length && some.every((secret, index) => secret === others[index]);
}

function sotwPart(secrets: readonly Secret[]): Pieces {
  const head = encode('envoy.service.discovery.v3.DiscoveryResponse', {
    version_info: versionOf(secrets),
    type_url: SECRET_TYPE_URL,
    control_plane: CONTROL_PLANE,
  });
  return [head, ...secrets.flatMap(({ any }) => lengthDelimited(RESOURCES_FIELD, [any]))];
}

function deltaPart(secrets: readonly Secret[], removed: readonly string[] = []): Pieces {
  const head = encode('envoy.service.discovery.v3.DeltaDiscoveryResponse', {
    system_version_info: versionOf(secrets),
    type_url: SECRET_TYPE_URL,
    removed_resources: removed,
    control_plane: CONTROL_PLANE,
  });
  const resources = secrets.flatMap(({ name, version, any }) => {
    const resource = encode('envoy.service.discovery.v3.Resource', { name, version });
    return lengthDelimited(RESOURCES_FIELD, [resource, ...lengthDelimited(RESOURCE_FIELD, [any])]);
  });
  return [head, ...resources];
}

/** Of one secret its own version, so that Envoy shows the same one in both protocols; of several a hash over theirs. */
function versionOf(secrets: readonly Secret[]): string {
  const [first] = secrets;
  if (first !== undefined && secrets.length === 1) return first.version;
  const hash = createHash('sha256');
  for (const { name, version } of secrets) hash.update(`${name}\0${version}\0`);
  return hash.digest('hex').slice(0, 16);
}

function withNonce(shared: Pieces, nonce: string): Frame {
  return frameOf(...shared, ...lengthDelimited(NONCE_FIELD, [Buffer.from(nonce)]));
}

/** A length-delimited field (protobuf encoding, wire type 2) with a number below 16. */
function lengthDelimited(field: number, pieces: Pieces): Pieces {
  const head = [(field << 3) | 2];
  let length = pieces.reduce((sum, piece) => sum + piece.length, 0);
  for (; length > 0x7f; length >>>= 7) head.push((length & 0x7f) | 0x80);
  head.push(length);
  return [Uint8Array.from(head), ...pieces];
}
