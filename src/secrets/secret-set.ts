/** All secrets that can be served now, by name. A value: a new context or configuration makes a new set. */
import { trustDomainId, trustDomainOf } from '../spiffe/spiffe-id.ts';
import type { X509Context } from '../spiffe/x509-context.ts';
import { createSecret, type Secret, type SecretContent, type SecretKind, type ValidationForm } from './secret.ts';
import { tlsCertificate } from './tls-certificate.ts';
import { validationContext } from './validation-context.ts';

/** Names beside the SPIFFE IDs; an empty one is not served. */
export interface Aliases {
  /** The first SVID. */
  readonly default_svid: string;
  /** The bundle of the first SVID's trust domain. */
  readonly default_bundle: string;
  /** Every bundle, each under its own trust domain. */
  readonly default_all_bundles: string;
}

export interface SecretSet {
  /** @returns undefined when there is no secret of that name now, or none that can be said in that form. */
  get(name: string, form: ValidationForm): Secret | undefined;
  /** False until the Workload API has said anything. */
  readonly complete: boolean;
  /** Every secret once, by its SPIFFE ID: what a request without names gets. */
  readonly ids: readonly string[];
  /** Every name that can be asked for. */
  readonly names: readonly string[];
}

/** Before the Workload API has said anything. */
export const NO_SECRETS: SecretSet = { complete: false, ids: [], names: [], get: () => undefined };

interface Source {
  readonly kind: SecretKind;
  readonly content: (form: ValidationForm) => SecretContent | undefined;
}

/** A secret is encoded when it is first asked for, once for each name and form. */
export function createSecretSet(context: X509Context, aliases: Aliases): SecretSet {
  const sources = new Map<string, Source>();
  for (const svid of context.svids) {
    if (!sources.has(svid.id)) sources.set(svid.id, { kind: 'tls_certificate', content: () => tlsCertificate(svid) });
  }
  for (const bundle of context.bundles.values()) {
    sources.set(trustDomainId(bundle.trustDomain), bundlesSource([bundle]));
  }
  const ids = [...sources.keys()];

  const [first] = context.svids;
  const own = first && sources.get(trustDomainId(trustDomainOf(first.id)));
  const addAlias = (name: string, source: Source | undefined) => {
    if (name !== '' && source !== undefined) sources.set(name, source);
  };
  addAlias(aliases.default_svid, first && sources.get(first.id));
  addAlias(aliases.default_bundle, own);
  addAlias(aliases.default_all_bundles, context.bundles.size === 0 ? undefined : bundlesSource([...context.bundles.values()]));

  const encoded: Readonly<Record<ValidationForm, Map<string, Secret | undefined>>> = { spiffe: new Map(), trusted_ca: new Map() };
  return {
    complete: true,
    ids,
    names: [...sources.keys()],
    get(name, form) {
      const source = sources.get(name);
      if (source === undefined) return undefined;
      const known = encoded[form];
      if (!known.has(name)) known.set(name, encodeSecret(name, source, form));
      return known.get(name);
    },
  };
}

function bundlesSource(bundles: Parameters<typeof validationContext>[0]): Source {
  return { kind: 'validation_context', content: (form) => validationContext(bundles, form) };
}

function encodeSecret(name: string, { kind, content }: Source, form: ValidationForm): Secret | undefined {
  const encodable = content(form);
  return encodable && createSecret(name, kind, encodable);
}
