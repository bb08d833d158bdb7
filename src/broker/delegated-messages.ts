/**
 * The messages of SPIRE's Delegated Identity API as those of the Workload API. It sends the bundles that the agent knows, for all workloads:
 * one workload gets those of its own trust domains and of those that it federates with.
 */
import type {
  FetchJWTSVIDsResponse,
  JWTBundlesResponse,
  JWTSVIDResponse,
  SpireX509SVID,
  SubscribeToX509SVIDsResponse,
  X509SVIDResponse,
} from '../gen/messages.ts';
import { parseTrustDomain, trustDomainId } from '../spiffe/spiffe-id.ts';
import type { Joining } from './fetches.ts';

/** By the SPIFFE ID of the trust domain. */
type Bundles = Readonly<Record<string, Uint8Array>>;

/** How identities and bundles become a message that holds both, with the bundles in field `of`. */
type JoiningBundles<B, Message> = Joining<SubscribeToX509SVIDsResponse, B, Bundles, Message>;

const common = {
  same: (before: Bundles, after: Bundles) => {
    const names = Object.keys(after);
    return (
      names.length === Object.keys(before).length &&
      names.every((name) => Buffer.compare(before[name] ?? NOTHING, after[name] ?? NOTHING) === 0)
    );
  },
  forget({ x509_svids }: SubscribeToX509SVIDsResponse) {
    for (const { x509_svid_key } of x509_svids) x509_svid_key.fill(0);
  },
};
const NOTHING = new Uint8Array();

export const X509_SVIDS: JoiningBundles<{ readonly ca_certificates: Bundles }, X509SVIDResponse> = {
  ...common,
  select: (identities, { ca_certificates }) => select(identities, ca_certificates),
  join(identities, bundles) {
    const own = new Set(identities.x509_svids.map(({ x509_svid }) => trustDomainOf(x509_svid)));
    return {
      svids: identities.x509_svids.map(({ x509_svid, x509_svid_key }) => ({
        spiffe_id: idText(x509_svid?.id),
        x509_svid: Buffer.concat(x509_svid?.cert_chain ?? []),
        x509_svid_key,
        bundle: bundles[trustDomainOf(x509_svid)] ?? NOTHING,
        hint: x509_svid?.hint ?? '',
      })),
      crl: [],
      federated_bundles: Object.fromEntries(Object.entries(bundles).filter(([name]) => !own.has(name))),
    };
  },
};

export const JWT_BUNDLES: JoiningBundles<{ readonly bundles: Bundles }, JWTBundlesResponse> = {
  ...common,
  select: (identities, { bundles }) => select(identities, bundles),
  join: (_, bundles) => ({ bundles }),
};

/** @param wanted a SPIFFE ID; empty: all */
export function jwtSvidResponse({ svids }: FetchJWTSVIDsResponse, wanted: string): JWTSVIDResponse {
  const all = svids.map(({ id, token, hint }) => ({ spiffe_id: idText(id), svid: token, hint }));
  return { svids: all.filter(({ spiffe_id }) => wanted === '' || wanted === spiffe_id) };
}

function select({ x509_svids, federates_with }: SubscribeToX509SVIDsResponse, all: Bundles): Bundles {
  const names = new Set([...x509_svids.map(({ x509_svid }) => trustDomainOf(x509_svid)), ...federates_with.map(normalized)]);
  return Object.fromEntries(
    Object.entries(all)
      .map(([name, bundle]) => [normalized(name), bundle] as const)
      .filter(([name]) => names.has(name)),
  );
}

function trustDomainOf(svid: SpireX509SVID | null): string {
  return normalized(svid?.id?.trust_domain ?? '');
}

/** SPIRE writes a trust domain as its name or as its SPIFFE ID. */
function normalized(trustDomain: string): string {
  try {
    return trustDomainId(parseTrustDomain(trustDomain));
  } catch {
    return trustDomain;
  }
}

/** Empty when it is missing: the reader of the message refuses that. */
function idText(id: SpireX509SVID['id'] | undefined): string {
  if (id === undefined || id === null) return '';
  return `spiffe://${id.trust_domain}${id.path.startsWith('/') ? '' : '/'}${id.path}`;
}
