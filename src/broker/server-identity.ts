/** Whom a broker must be: the SPIFFE ID in its certificate is held against a pattern. Host names play no part (SPIFFE Broker Endpoint). */
import { exactMatcherOf } from '../config/values/pattern.ts';
import { messageOf } from '../error.ts';
import { parseSpiffeId, type TrustDomain, trustDomainOf } from '../spiffe/spiffe-id.ts';
import { readExtensions } from '../spiffe/x509/extensions.ts';

/** @returns why this is not the broker; undefined: it is */
export function serverProblem(certificate: Uint8Array, expected: string, trustDomain: TrustDomain): string | undefined {
  try {
    const uris = readExtensions(certificate).uriSans;
    const [uri] = uris;
    if (uri === undefined || uris.length !== 1) return `its certificate has ${uris.length} URI SANs, and must have one SPIFFE ID`;
    const id = parseSpiffeId(uri);
    // The chain was verified with the bundle of this trust domain, which says nothing of others.
    if (trustDomainOf(id) !== trustDomain) return `it is ${id}, which is not of the trust domain ${trustDomain}`;
    if (!exactMatcherOf([expected])(id)) return `it is ${id}, not ${expected} (broker.server_id)`;
    return undefined;
  } catch (error) {
    return `its certificate names no SPIFFE ID: ${messageOf(error)}`;
  }
}

/** Any agent of SPIRE. */
export function defaultServerId(trustDomain: TrustDomain): string {
  return `spiffe://${trustDomain}/spire/agent/*`;
}
