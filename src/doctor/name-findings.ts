/** Names that Envoy asks for, held against those that are served. */
import type { Configuration } from '../config/schema/schema.ts';
import { nearest } from '../config/values/nearest.ts';
import { parseSpiffeId, trustDomainOf } from '../spiffe/spiffe-id.ts';
import type { AskedSecret, EnvoyConfiguration } from './envoy-configuration.ts';
import type { Facts, ServedSecret } from './facts.ts';
import type { Suspicion } from './finding.ts';
import { judgementOf, nodeOf, socketInForce } from './in-force.ts';
import { isMeant, nodeIdentities } from './node-findings.ts';

/** Without identities nothing can be said of names. */
const NO_IDENTITIES = [
  'workload_api.',
  'identity.expired',
  'identity.no_path',
  'clock.',
  'sidecar.',
  'node.broker_away',
  'envoy.other_socket',
];
const WHY = 'It is held: what needs it stays closed, or resets connections, until there is such a name.';

interface Served {
  readonly name: string;
  readonly kind: ServedSecret['kind'] | undefined;
}

/** Beside Envoy's configuration, the names that the sidecar holds. */
export function nameSuspicions(facts: Facts, { asked }: EnvoyConfiguration): readonly Suspicion[] {
  const served = servedBy(facts);
  if (served.length === 0) return [];
  const bySlot = new Map(asked.map((one) => [`${one.slot} ${one.name}`, one]));
  return [...[...bySlot.values()].flatMap((one) => judged(one, served, facts)), ...rootless(facts, asked)];
}

function servedBy(facts: Facts): readonly Served[] {
  const { sidecar, sds, workloadApi, configuration } = facts;
  const { answer } = sds;
  const node = nodeIdentities(facts);
  if (node?.ids.length === 0) return [];
  if (node !== undefined && !isMeant(facts)) return namesToBe(configuration, node.ids, node.trustDomains);
  if (answer?.kind === 'secrets') {
    const known = new Set(answer.secrets.map(({ name }) => name));
    const more = sidecar.kind === 'status' ? sidecar.status.names.filter(({ name }) => !known.has(name)) : [];
    return [...answer.secrets, ...more.map(({ name, kind }) => ({ name, kind }))];
  }
  if (sidecar.kind === 'status') return sidecar.status.names;
  if (workloadApi.answer.kind !== 'context') return [];
  const { identities, trustDomains } = workloadApi.answer;
  return namesToBe(
    configuration,
    identities.map(({ id }) => id),
    trustDomains,
  );
}

/** What a sidecar with this configuration would serve. */
function namesToBe(
  { names, secrets }: Configuration,
  identities: readonly string[],
  trustDomains: readonly string[],
): readonly Served[] {
  const certificates = [...identities, names.default_svid];
  const contexts = [...trustDomains.map((name) => `spiffe://${name}`), names.default_bundle, names.default_all_bundles];
  return [
    ...certificates.map((name) => ({ name, kind: 'tls_certificate' as const })),
    ...contexts.map((name) => ({ name, kind: 'validation_context' as const })),
    ...secrets.map((secret) => ({ name: secret.name, kind: kindOf(secret) })),
  ].filter(({ name }) => name !== '');
}

function kindOf(secret: Configuration['secrets'][number]): ServedSecret['kind'] {
  if ('validation' in secret) return 'validation_context';
  return 'jwt_svid' in secret ? 'generic_secret' : 'tls_certificate';
}

function judged({ name, slot }: AskedSecret, served: readonly Served[], facts: Facts): readonly Suspicion[] {
  const found = served.find((one) => one.name === name);
  const refused = found === undefined ? undefined : notGiven(name, facts);
  if (refused !== undefined) return [refused];
  if (found !== undefined)
    return found.kind === undefined || found.kind === slot ? [] : [wrongKind(name, slot, found.kind, served)];
  if (name.startsWith('jwt:')) return [];
  const similar = nearest(
    name,
    served.map((one) => one.name),
  );
  const broken = (id: string, what: string, fix: string): readonly Suspicion[] => [
    { id, severity: 'broken', what, why: WHY, fix, explainedBy: NO_IDENTITIES },
  ];
  if (similar !== undefined)
    return broken('names.unknown', `Envoy asks for ${name}, which nobody serves. There is ${similar}.`, `name: ${similar}`);
  const domain = /^spiffe:\/\/([^/]+)(\/.*)?$/.exec(name);
  const own = ownDomains(facts);
  if (domain !== null && own.length > 0) {
    const [, trustDomain = '', path] = domain;
    if (path === undefined && !own.includes(trustDomain))
      return broken(
        'names.not_federated',
        `Envoy asks for the bundle of ${trustDomain}, which the Workload API does not give to this workload.`,
        `Federate with it: spire-server federation create, and -federatesWith spiffe://${trustDomain} in the registration entry (spire-server entry update).`,
      );
    if (path !== undefined && !own.includes(trustDomain))
      return broken(
        'names.other_trust_domain',
        `Envoy asks for ${name}, and this workload is of the trust domain ${own.join(', ')}.`,
        `name: spiffe://${own[0]}${path}`,
      );
    if (path !== undefined)
      return broken(
        'names.not_registered',
        `Envoy asks for the certificate of ${name}, and the Workload API gives this workload none: it has ${ids(facts).join(', ')}.`,
        `spire-server entry create -parentID "$(spire-server agent list | awk '/SPIFFE ID/ { print $NF; exit }')" -spiffeID ${name} -selector unix:uid:${attestedUid(facts)}`,
      );
  }
  return broken(
    'names.unknown',
    `Envoy asks for ${name}, which nobody serves. There is: ${served
      .map((one) => one.name)
      .slice(0, 10)
      .join(', ')}.`,
    'Correct the name in the bootstrap, or add it under secrets in the configuration of the sidecar.',
  );
}

/** The rule for this Envoy has other names. */
function notGiven(name: string, facts: Facts): Suspicion | undefined {
  const judgement = facts.peer && judgementOf(facts, facts.peer, nodeOf(facts));
  if (judgement?.kind !== 'granted' || judgement.gives(name)) return undefined;
  const { allow = [] } = socketInForce(facts);
  const mended = allow.map((entry, place) =>
    judgement.rule === `sds.allow[${place}]` ? { ...entry, names: [...(entry.names ?? []), name] } : entry,
  );
  return {
    id: 'names.not_allowed',
    severity: 'broken',
    what: `Envoy asks for ${name}, and ${judgement.rule}, which is for it, does not give that name.`,
    why: WHY,
    fix: `sds: { allow: ${JSON.stringify(mended)} }`,
  };
}

function wrongKind(name: string, slot: string, kind: string, served: readonly Served[]): Suspicion {
  const right = served.find((one) => one.kind === slot)?.name;
  return {
    id: 'names.wrong_kind',
    severity: 'broken',
    what: `Envoy asks for ${name} as a ${slot}, and it is a ${kind}.`,
    why: 'Envoy takes it without a word: without a certificate, or without verifying any peer.',
    fix: right === undefined ? `Ask for a ${slot} there: spiffe-sds get lists what there is.` : `name: ${right}`,
  };
}

function rootless({ sds: { answer } }: Facts, asked: readonly AskedSecret[]): readonly Suspicion[] {
  const secrets = answer?.kind === 'secrets' ? answer.secrets : [];
  return secrets
    .filter(({ name }) => asked.some((one) => one.name === name))
    .flatMap(({ spiffe }) => spiffe?.rootless ?? [])
    .map((trustDomain) => ({
      id: 'bundle.no_root',
      severity: 'broken',
      what: `The bundle of ${trustDomain} has no self-signed root.`,
      why: "Envoy's SPIFFE validator accepts none of its peers.",
      fix: 'Add the root to the bundle, or write validation: { mode: trusted_ca } in the configuration of the sidecar.',
    }));
}

function ids(facts: Facts): readonly string[] {
  const { sidecar, workloadApi } = facts;
  const { answer } = workloadApi;
  const node = nodeIdentities(facts);
  if (node !== undefined) return node.ids;
  if (sidecar.kind === 'status') return sidecar.status.identities.map(({ id }) => id);
  return answer.kind === 'context' ? answer.identities.map(({ id }) => id) : [];
}

/** The trust domains of its identities. */
export function ownDomains(facts: Facts): readonly string[] {
  return [...new Set(ids(facts).map((id) => trustDomainOf(parseSpiffeId(id))))];
}

function attestedUid(facts: Facts): number {
  const { sidecar, self } = facts;
  const node = nodeIdentities(facts);
  if (node !== undefined) return node.uid;
  return sidecar.kind === 'status' ? (sidecar.process?.uid ?? self.uid) : self.uid;
}
