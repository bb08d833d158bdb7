/** A named, versioned, encoded secret: an SDS resource. */
import { createHash } from 'node:crypto';
import type { SecretKind, SecretVersion } from '../events.ts';
import type { Secret as SecretMessage } from '../gen/messages.ts';
import { encode, type Input } from '../wire/wire.ts';

/** The type of every SDS resource. */
export const SECRET_TYPE_URL = 'type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.Secret';

/**
 * How Envoy verifies peers with a validation context.
 * - `spiffe`: with its SPIFFE validator, which uses the bundle of the peer's own trust domain.
 * - `trusted_ca`: with a plain list of CAs.
 * - `legacy`: with a plain list of CAs, because this Envoy does not support the SPIFFE validator.
 */
export const VALIDATION_FORMS = ['spiffe', 'trusted_ca', 'legacy'] as const;
export type ValidationForm = (typeof VALIDATION_FORMS)[number];

/** One version of one secret, ready to be sent. */
export interface Secret {
  readonly name: string;
  readonly kind: SecretKind;
  /** A hash of the encoded secret: the same content has the same version on every replica and after every restart. */
  readonly version: string;
  /** The encoded google.protobuf.Any of the resource, shared by all streams. */
  readonly any: Buffer;
}

/** The content of a secret apart from its name, so that several names can share it. */
export type SecretContent = Pick<Input<SecretMessage>, SecretKind>;

/** Encodes a secret and computes its version. */
export function createSecret(name: string, kind: SecretKind, content: SecretContent): Secret {
  const value = encode('envoy.extensions.transport_sockets.tls.v3.Secret', { ...content, name });
  const any = encode('google.protobuf.Any', { type_url: SECRET_TYPE_URL, value });
  const version = secretVersion(value);
  // It may hold a private key, of which there is a copy in `any` now.
  value.fill(0);
  return { name, kind, version, any };
}

/**
 * The version of an encoded secret: 16 hexadecimal digits of its SHA-256.
 * @param value the encoded envoy.extensions.transport_sockets.tls.v3.Secret
 */
export function secretVersion(value: Uint8Array): string {
  return createHash('sha256').update(value).digest('hex').slice(0, 16);
}

const versions = new WeakMap<Secret, SecretVersion>();

/** The part of a secret that may appear in events: never the content. All streams share one object for each secret. */
export function versionOf(secret: Secret): SecretVersion {
  let version = versions.get(secret);
  if (version === undefined) {
    version = { name: secret.name, kind: secret.kind, version: secret.version };
    versions.set(secret, version);
  }
  return version;
}
