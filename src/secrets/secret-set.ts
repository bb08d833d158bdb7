/** All secrets that can be served now, by name. A set never changes: a new context or configuration makes a new set. */
import type { SecretKind } from '../events.ts';
import { type SpiffeId, trustDomainId } from '../spiffe/spiffe-id.ts';
import { Encodings, type SecretSource } from './encodings.ts';
import { type Identity, identitiesOf, type ServedSvid } from './identities.ts';
import type { Naming, SvidChoice } from './naming.ts';
import { createSecret, type Secret, type ValidationForm } from './secret.ts';
import { tlsCertificate } from './tls-certificate.ts';
import type { Trust } from './trust.ts';
import { trustNobody, type ValidationSourcesOptions, validationSources } from './validation-sources.ts';

/** A snapshot of the secrets. */
export interface SecretSet {
  /**
   * @param without trust domains to leave out of validation contexts that have more than one
   * @returns undefined when no secret has that name now, or when the secret cannot be expressed in that form
   */
  get(name: string, form: ValidationForm, without?: ReadonlySet<string>): Secret | undefined;
  /** A validation context of that name that trusts nobody: for a peer that has had one, and may not have it any more. */
  denial(name: string, form: ValidationForm): Secret | undefined;
  /** A hash of the authorities and CRLs that are sent for a trust domain; undefined when it is not trusted. */
  contentOf(trustDomain: string): string | undefined;
  /** False until the first message of the Workload API. */
  readonly complete: boolean;
  /** The SPIFFE IDs that name secrets. A request without names (a wildcard subscription) gets these. */
  readonly ids: readonly string[];
  /** All names that a request can use. */
  readonly names: readonly string[];
  /** Describes a secret without encoding it. */
  describe(name: string): NameDescription | undefined;
  /** True when the secret of this name is not there yet, but is being fetched or will be fetched on request. */
  pending(name: string): boolean;
}

/** What is known about a secret without its content. */
export interface NameDescription {
  readonly kind: SecretKind;
  /** The SPIFFE ID in the certificate or token; absent for a validation context. */
  readonly id?: SpiffeId;
  /** The versions that were requested; a validation context can have several, one for each form. */
  readonly versions: readonly string[];
}

/** The set before the first message of the Workload API. */
export const NO_SECRETS: SecretSet = {
  complete: false,
  ids: [],
  names: [],
  get: () => undefined,
  denial: () => undefined,
  contentOf: () => undefined,
  describe: () => undefined,
  pending: () => false,
};

export interface SecretSetOptions extends ValidationSourcesOptions {
  /** Called for each secret that is encoded, at its first request. */
  readonly onEncoded?: (secret: Secret) => void;
  /** The previous set: its secrets that have not changed are not encoded again. */
  readonly before?: SecretSet | undefined;
}

interface Source extends SecretSource {
  /** The SPIFFE ID in the certificate. */
  readonly id?: SpiffeId;
}

const encodings = new WeakMap<SecretSet, Encodings>();

/** Makes the set for this trust and configuration. It encodes a secret at its first request, once for each name and form. */
export function createSecretSet(
  trust: Trust,
  naming: Naming,
  // What the functions below use they keep, for as long as there is the set: never the one before it, which has the one before that.
  { now, throwawayAuthority, onEncoded, before }: SecretSetOptions,
): SecretSet {
  const identities = identitiesOf(trust, now);
  const validation = validationSources(trust, naming, { now, throwawayAuthority });

  const sources = new Map<string, Source>();
  const add = (name: string, source: Source | undefined) => {
    if (name !== '' && source !== undefined && !sources.has(name)) sources.set(name, source);
  };
  const certificates = new Map(identities.map((identity) => [identity, identity.served && certificateSource(identity.served)]));
  const certificateOf = (identity: Identity | undefined) => identity && certificates.get(identity);
  for (const identity of identities) add(identity.svid.id, certificateOf(identity));
  for (const trustDomain of [...trust.context.bundles.keys(), ...trust.distrusted]) {
    add(trustDomainId(trustDomain), validation.of({ trust_domains: [trustDomain], match: [] }));
  }
  const ids = [...sources.keys()];
  add(naming.default_svid, certificateOf(identities[0]));
  add(naming.default_bundle, trust.own && validation.of({ trust_domains: [trust.own], match: [] }));
  add(naming.default_all_bundles, validation.of({ match: [] }));
  for (const secret of naming.secrets) {
    if ('validation' in secret) add(secret.name, validation.of(secret.validation));
    else if ('svid' in secret) add(secret.name, certificateOf(choose(identities, secret.svid)));
  }
  for (const prefix of naming.prefixes) for (const [name, source] of [...sources]) add(`${prefix}${name}`, source);
  const denials = new Map<string, Secret>();
  const encoded = new Encodings(sources, onEncoded, before && encodings.get(before));
  const set: SecretSet = {
    complete: true,
    ids,
    names: [...sources.keys()],
    contentOf: validation.contentOf,
    pending: () => false,
    get: (name, form, without) => encoded.get(name, form, without),
    denial(name, form) {
      const key = `${form} ${name}`;
      const known = denials.get(key) ?? createSecret(name, 'validation_context', trustNobody(throwawayAuthority, form));
      denials.set(key, known);
      return known;
    },
    describe(name) {
      const source = sources.get(name);
      if (source === undefined) return undefined;
      const { kind, id } = source;
      return { kind, ...(id !== undefined && { id }), versions: encoded.versions(name) };
    },
  };
  encodings.set(set, encoded);
  return set;
}

/** Overwrites the encoded private keys of a set, which must not be sent any more. @returns the secrets that had them */
export function wipeKeys(set: SecretSet): readonly Secret[] {
  return encodings.get(set)?.wipe() ?? [];
}

/** With a hint, the first SVID counts even when it has expired, because the next SVID with that hint is another identity. */
function choose(identities: readonly Identity[], choice: SvidChoice): Identity | undefined {
  if ('hint' in choice) return identities.find(({ svid: { hint } }) => hint === choice.hint);
  return identities.find(({ svid: { id }, served }) => id === choice.spiffe_id && served !== undefined);
}

function certificateSource(served: ServedSvid): Source {
  const { chain, svid } = served;
  return {
    kind: 'tls_certificate',
    id: svid.id,
    content: () => tlsCertificate(served),
    madeOf: () => [svid.privateKey, ...chain],
    separable: [],
  };
}
