/** What `dev` takes on the command line beside the configuration: its own trust domain. */
import { parseDuration } from '../config/values/duration.ts';
import { type DevIdentity, workloadId } from '../dev/workload-changes.ts';
import { SpiffeSdsError } from '../error.ts';
import { parseTrustDomain, type TrustDomain } from '../spiffe/spiffe-id.ts';
import { flagValue } from './flag.ts';

export interface DevDomainFlags {
  readonly trustDomain: string;
  readonly id?: readonly string[];
  readonly dns?: readonly string[];
  readonly federate?: readonly string[];
  readonly svidTtl: string;
  readonly caTtl: string;
  readonly node?: boolean;
  readonly workload?: readonly string[];
}

export interface DevDomain {
  readonly trustDomain: TrustDomain;
  readonly identities: readonly DevIdentity[];
  readonly dnsNames: readonly string[];
  readonly federated: readonly TrustDomain[];
  readonly svidTtlMs: number;
  readonly caTtlMs: number;
}

const DEFAULT_IDENTITIES: readonly DevIdentity[] = [{ path: '/backend' }, { path: '/frontend' }];
/** In node mode: its own, with which it asks the broker. */
export const NODE_IDENTITY: DevIdentity = { path: '/spiffe-sds' };
/** Certificates count whole seconds, and are rotated at half of their life. */
const MIN_TTL_MS = 2_000;
/** Certificates know no year after 9999. */
const MAX_TTL_MS = 36_500 * 86_400_000;

/** @throws SpiffeSdsError `usage`, which names the flag */
export function devDomain({
  trustDomain: name,
  id,
  dns = [],
  federate = [],
  svidTtl,
  caTtl,
  node = false,
  workload,
}: DevDomainFlags): DevDomain {
  const trustDomain = flagValue('--trust-domain', name, parseTrustDomain);
  const caTtlMs = flagValue('--ca-ttl', caTtl, parseTtl);
  const svidTtlMs = flagValue('--svid-ttl', svidTtl, (text) => {
    const ttl = parseTtl(text);
    if (ttl <= caTtlMs) return ttl;
    throw new Error(`${text} is longer than the CA lives (--ca-ttl ${caTtl})`);
  });
  const identityOf = (text: string): DevIdentity => {
    const [path = '', hint] = text.split('=', 2);
    workloadId(trustDomain, path);
    return hint === undefined ? { path } : { path, hint };
  };
  const workloadOf = (text: string): DevIdentity => {
    const [, uid, path = ''] = /^(\d+)=(.*)$/.exec(text) ?? [];
    if (uid === undefined) throw new Error(`${JSON.stringify(text)} is not a uid and a path: write 1000=/web`);
    workloadId(trustDomain, path);
    return { path, of: { uid: Number(uid) } };
  };
  if (workload !== undefined && !node) throw new SpiffeSdsError('usage', '--workload needs --node');
  const ofUsers = workload ?? [`${process.getuid?.() ?? 0}=/workload`];
  const ofNode = node ? [NODE_IDENTITY, ...ofUsers.map((text) => flagValue('--workload', text, workloadOf))] : undefined;
  const foreign = (text: string): TrustDomain => {
    const other = parseTrustDomain(text);
    if (other !== trustDomain) return other;
    throw new Error(`${other} is the trust domain of this CA (--trust-domain): name another one`);
  };
  return {
    trustDomain,
    identities: ofNode ?? id?.map((text) => flagValue('--id', text, identityOf)) ?? DEFAULT_IDENTITIES,
    dnsNames: dns.map((name) => flagValue('--dns', name, parseDnsName)),
    federated: federate.map((text) => flagValue('--federate', text, foreign)),
    svidTtlMs,
    caTtlMs,
  };
}

/** @throws Error when it is none; case does not matter */
function parseDnsName(text: string): string {
  if (text.length <= 64 && /^[a-z0-9]([a-z0-9-]*[a-z0-9])?(\.[a-z0-9]([a-z0-9-]*[a-z0-9])?)*$/i.test(text)) return text;
  throw new Error(`${JSON.stringify(text)} is no DNS name of 64 characters at most: write web.example.org`);
}

function parseTtl(text: string): number {
  const ttl = parseDuration(text);
  if (ttl >= MIN_TTL_MS && ttl <= MAX_TTL_MS) return ttl;
  throw new Error(`no certificate can live for ${JSON.stringify(text)}: write a duration from 2s to 36500d`);
}
