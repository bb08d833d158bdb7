/** From the Workload API's socket to identities that are valid. */
import { formatEndpoint } from '../endpoint.ts';
import type { Facts, KnownIdentity, ProcessFacts } from './facts.ts';
import type { Suspicion } from './finding.ts';
import { clockBehind, crls, dates, expired, GRACE_MS, keyType, noPath, staleSidecar } from './identity-findings.ts';
import { barrier, forbidden, socketSuspicions } from './socket-findings.ts';

const NOTHING_COMES = 'Without it no identity is issued or rotated. Envoys keep what they have until it expires.';

/** The running sidecar's word counts more than what this command met: another process may be attested as somebody else. */
export function workloadApiSuspicions(facts: Facts): readonly Suspicion[] {
  const { workloadApi, sidecar } = facts;
  if (workloadApi.endpoint === undefined) return [noAddress(facts)];
  if (sidecar.kind === 'status') {
    const { upstream } = sidecar.status;
    if (upstream.state === 'connected') return [...discarded(upstream.discarded?.reason), ...connected(facts)];
    if (upstream.state === 'denied')
      return [noIdentity(facts, sidecar.process ?? facts.self, `the sidecar (pid ${sidecar.process?.pid ?? 'unknown'})`)];
  }
  const socket = workloadApi.socket === undefined ? [] : socketSuspicions('workload_api', workloadApi.socket, socketWords(facts));
  return socket.length > 0 ? socket : answer(facts);
}

/** A socket that serves secrets, or is kept from this command, is that of a sidecar which has an address. */
function noAddress({ sds: { socket, answer } }: Facts): Suspicion {
  if (socket.state === 'forbidden' || (socket.state === 'answers' && answer?.kind === 'secrets'))
    return {
      id: 'workload_api.not_known',
      severity: 'warning',
      what: 'This command does not know where the Workload API is, and has not asked it.',
      why: 'It cannot say why identities are missing, or are not rotated.',
      fix: 'Name what the sidecar was started with: --config, --workload-api, or --admin to ask the sidecar itself.',
      explainedBy: ['sds.'],
    };
  return {
    id: 'workload_api.no_address',
    severity: 'broken',
    what: 'No address of a Workload API is configured.',
    why: NOTHING_COMES,
    fix: 'export SPIFFE_ENDPOINT_SOCKET=unix:///run/spire/agent/api.sock',
  };
}

function socketWords({ workloadApi: { endpoint }, self }: Facts) {
  const path = endpoint?.kind === 'unix' ? endpoint.path : '';
  return {
    path,
    of: 'Workload API',
    why: NOTHING_COMES,
    setting: `workload_api.address, --workload-api or SPIFFE_ENDPOINT_SOCKET`,
    start: 'Start the SPIFFE agent (SPIRE: systemctl start spire-agent), or mount its socket here.',
    self,
    // It attests whoever connects.
    isForAll: true,
  };
}

function answer(facts: Facts): readonly Suspicion[] {
  const { workloadApi, self, sidecar } = facts;
  const address = workloadApi.endpoint === undefined ? '' : formatEndpoint(workloadApi.endpoint);
  switch (workloadApi.answer.kind) {
    case 'none':
      return [];
    case 'denied':
      return [noIdentity(facts, self, `this command (pid ${self.pid}), for no running sidecar was asked`)];
    case 'unusable':
      return discarded(workloadApi.answer.reason);
    case 'failed': {
      const { code, details } = workloadApi.answer;
      const isOther = code === 'UNIMPLEMENTED' || code === 'INVALID_ARGUMENT' || /protocol|preface/i.test(details);
      return [
        {
          id: isOther ? 'workload_api.other_service' : 'workload_api.failed',
          severity: 'broken',
          what: `${address} answers, but ${isOther ? 'is no SPIFFE Workload API' : 'fails'}: ${code}: ${details}`,
          why: NOTHING_COMES,
          fix: isOther
            ? 'Name the socket of the Workload API: workload_api.address, --workload-api or SPIFFE_ENDPOINT_SOCKET.'
            : 'Look at the log of the SPIFFE agent.',
        },
      ];
    }
    case 'context':
      return sidecar.kind === 'status'
        ? [cutOff(facts, sidecar)]
        : [...fine(address), ...dates(workloadApi.answer.identities, facts.now), ...crls(workloadApi.answer.expiredCrls)];
  }
}

/** This command is answered, and the sidecar is not. */
function cutOff(facts: Facts, { status: { upstream }, process }: Facts['sidecar'] & { readonly kind: 'status' }): Suspicion {
  const { endpoint, socket } = facts.workloadApi;
  if (endpoint?.kind === 'unix' && socket?.state === 'answers' && process !== undefined) {
    const obstacle = barrier(socket, endpoint.path, process);
    const who = `The sidecar (uid ${process.uid}, gid ${process.gid})`;
    if (obstacle !== undefined) return forbidden('workload_api', who, obstacle, socket, socketWords(facts));
  }
  return {
    id: 'sidecar.cut_off',
    severity: 'broken',
    what: `The Workload API answers this command, but the sidecar has lost it: ${upstream.meaning ?? 'it does not answer yet'} (${upstream.details ?? 'no details'}).`,
    why: NOTHING_COMES,
    fix: 'Look whether the sidecar sees the same socket (its mounts, its user), and restart it.',
  };
}

function connected(facts: Facts): readonly Suspicion[] {
  const { workloadApi, sidecar, now } = facts;
  if (sidecar.kind !== 'status') return [];
  const { identities, upstream, waiting = [] } = sidecar.status;
  const seen = workloadApi.answer.kind === 'context' ? workloadApi.answer : undefined;
  const stale = seen?.identities.find(({ id, serial, notBefore }) => {
    const served = identities.find((identity) => identity.id === id);
    return served !== undefined && served.serial !== serial && now - notBefore > GRACE_MS && Date.parse(served.not_after) < now;
  });
  const none = upstream.last_message !== undefined && identities.length === 0 && waiting.length === 0;
  return [
    ...fine(upstream.address ?? ''),
    ...(none ? withoutIdentity(facts, seen?.identities ?? []) : []),
    ...(stale === undefined ? [] : [staleSidecar(stale)]),
    ...waiting.map(({ id, from }) => clockBehind(id, Date.parse(from), now)),
    ...identities.flatMap((identity) =>
      identity.state === 'fresh'
        ? []
        : [
            expired(
              identity.id,
              Date.parse(identity.not_after),
              now,
              Date.parse(identity.received_at) >= Date.parse(identity.not_after),
            ),
          ],
    ),
    ...identities.flatMap(({ id, warning }) => (warning === undefined ? [] : [keyType(id, warning)])),
    ...crls(seen?.expiredCrls ?? []),
  ];
}

/** The Workload API speaks, and the sidecar has nothing that it could serve: by its own clock, which may be another than this command's. */
function withoutIdentity(facts: Facts, seen: readonly KnownIdentity[]): readonly Suspicion[] {
  const { sidecar, self } = facts;
  if (sidecar.kind !== 'status') return [];
  const { started_at, uptime } = sidecar.status;
  const problems = dates(seen, Date.parse(started_at) + uptime * 1000);
  if (problems.length > 0) return problems;
  const [first] = seen;
  return [first === undefined ? noIdentity(facts, sidecar.process ?? self, 'the sidecar') : noPath(first)];
}

function fine(address: string): readonly Suspicion[] {
  return [{ id: 'workload_api.answers', severity: 'fine', what: `The Workload API at ${address} answers.` }];
}

function discarded(reason: string | undefined): readonly Suspicion[] {
  if (reason === undefined) return [];
  return [
    {
      id: 'workload_api.message_unusable',
      severity: 'broken',
      what: `The last message of the Workload API cannot be used: ${reason}`,
      why: 'What came before stays in use until it expires; nothing is rotated.',
      fix: 'Look at the CA that issued it: the message names the certificate and the rule.',
    },
  ];
}

/** What an Envoy asks for, or waits for at the sidecar. */
function wantedIdentity({ envoy, bootstrap, sidecar }: Facts): string {
  const asked = (envoy?.kind === 'running' ? envoy.envoy.configuration : bootstrap)?.asked ?? [];
  const held = sidecar.kind === 'status' ? sidecar.status.held : [];
  const names = [...asked.filter(({ slot }) => slot === 'tls_certificate'), ...held].map(({ name }) => name);
  return names.find((name) => /^spiffe:\/\/[^/]+\/./.test(name)) ?? 'spiffe://example.org/workload';
}

function noIdentity(facts: Facts, { uid, gid, cgroup }: ProcessFacts, who: string): Suspicion {
  const pod = /kubepods/.test(cgroup ?? '');
  const container = /docker|libpod|containerd/.test(cgroup ?? '') && !pod;
  const more = pod
    ? ' It runs in a pod: selectors such as k8s:ns:NAMESPACE and k8s:sa:SERVICE-ACCOUNT fit, too.'
    : container
      ? ' It runs in a container: selectors such as docker:label:NAME:VALUE may fit, too.'
      : '';
  return {
    id: 'workload_api.no_identity',
    severity: 'broken',
    what: `The Workload API has no identity for ${who}. It attests uid ${uid}, gid ${gid}${cgroup === undefined ? '' : `, cgroup ${cgroup}`}: its selectors are unix:uid:${uid} and unix:gid:${gid}.${more}`,
    why: 'Nothing is served: Envoys wait, and what they had is withdrawn.',
    fix: `spire-server entry create -parentID "$(spire-server agent list | awk '/SPIFFE ID/ { print $NF; exit }')" -spiffeID ${wantedIdentity(facts)} -selector unix:uid:${uid}`,
  };
}
