/** A named, versioned, encoded secret: what a subscriber gets. */
import { createHash } from 'node:crypto';
import type { SecretKind, SecretVersion } from '../events.ts';
import type { Secret as SecretMessage } from '../gen/messages.ts';
import { encode, type Input } from '../wire/wire.ts';

/** The type of every SDS resource. */
export const SECRET_TYPE_URL = 'type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.Secret';

/** How a validation context tells Envoy to verify: by its SPIFFE validator, by a plain list of CAs, or by the latter for want of the former. */
export const VALIDATION_FORMS = ['spiffe', 'trusted_ca', 'legacy'] as const;
export type ValidationForm = (typeof VALIDATION_FORMS)[number];

export interface Secret {
  readonly name: string;
  readonly kind: SecretKind;
  /** A hash of the content: the same on every replica and after every restart. */
  readonly version: string;
  /** The encoded google.protobuf.Any of the resource, shared by all streams. */
  readonly any: Buffer;
}

/** The content of a secret apart from its name, so that several names can share it. */
export type SecretContent = Pick<Input<SecretMessage>, SecretKind>;

export function createSecret(name: string, kind: SecretKind, content: SecretContent): Secret {
  const value = encode('envoy.extensions.transport_sockets.tls.v3.Secret', { ...content, name });
  return { name, kind, version: secretVersion(value), any: encode('google.protobuf.Any', { type_url: SECRET_TYPE_URL, value }) };
}

/** @param value the encoded envoy.extensions.transport_sockets.tls.v3.Secret */
export function secretVersion(value: Uint8Array): string {
  return createHash('sha256').update(value).digest('hex').slice(0, 16);
}

const told = new WeakMap<Secret, SecretVersion>();

/** What may be told of a secret: the same object for all streams. */
export function versionOf(secret: Secret): SecretVersion {
  let version = told.get(secret);
  if (version === undefined) {
    version = { name: secret.name, kind: secret.kind, version: secret.version };
    told.set(secret, version);
  }
  return version;
}
