/** All secrets that can be served now, by name. A value: new trust or another configuration makes a new set. */
import type { SecretKind } from '../events.ts';
import { type SpiffeId, trustDomainId } from '../spiffe/spiffe-id.ts';
import { Encodings, type SecretSource } from './encodings.ts';
import { type Identity, identitiesOf, type ServedSvid } from './identities.ts';
import type { Naming, SvidChoice } from './naming.ts';
import type { Secret, ValidationForm } from './secret.ts';
import { tlsCertificate } from './tls-certificate.ts';
import type { Trust } from './trust.ts';
import { type ValidationSourcesOptions, validationSources } from './validation-sources.ts';

export interface SecretSet {
  /**
   * @param without trust domains to leave out of contexts of several
   * @returns undefined when there is no secret of that name now, or none that can be said in that form
   */
  get(name: string, form: ValidationForm, without?: ReadonlySet<string>): Secret | undefined;
  /** A hash of what is sent of a trust domain; undefined when it is not trusted. */
  contentOf(trustDomain: string): string | undefined;
  /** False until the Workload API has said anything. */
  readonly complete: boolean;
  /** Every secret once, by its SPIFFE ID: what a request without names gets. */
  readonly ids: readonly string[];
  /** Every name that can be asked for. */
  readonly names: readonly string[];
  /** What is known of a name without encoding anything. */
  describe(name: string): SecretDescription | undefined;
  /** There is nothing of that name, but there will be in a moment: it is on its way, or comes when it is asked for. */
  pending(name: string): boolean;
}

export interface SecretDescription {
  readonly kind: SecretKind;
  /** Whose certificate it is. */
  readonly id?: SpiffeId;
  /** Those that were asked for: several when a validation context is served in several forms. */
  readonly versions: readonly string[];
}

/** Before the Workload API has said anything. */
export const NO_SECRETS: SecretSet = {
  complete: false,
  ids: [],
  names: [],
  get: () => undefined,
  contentOf: () => undefined,
  describe: () => undefined,
  pending: () => false,
};

export interface SecretSetOptions extends ValidationSourcesOptions {
  /** Hears of each secret that is encoded: when it is first asked for. */
  readonly onEncoded?: (secret: Secret) => void;
  /** The set before: what it has encoded and is still made of the same is not encoded again. */
  readonly before?: SecretSet | undefined;
}

interface Source extends SecretSource {
  /** Whose certificate it is. */
  readonly id?: SpiffeId;
}

const encodings = new WeakMap<SecretSet, Encodings>();

/** A secret is encoded when it is first asked for, once for each name and form. */
export function createSecretSet(trust: Trust, naming: Naming, options: SecretSetOptions): SecretSet {
  const identities = identitiesOf(trust, options.now);
  const validation = validationSources(trust, naming, options);

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
  const encoded = new Encodings(sources, options.onEncoded, options.before && encodings.get(options.before));
  const set: SecretSet = {
    complete: true,
    ids,
    names: [...sources.keys()],
    contentOf: validation.contentOf,
    pending: () => false,
    get: (name, form, without) => encoded.get(name, form, without),
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

/** The first with a hint stays the first when it has expired: the next is another identity. */
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
