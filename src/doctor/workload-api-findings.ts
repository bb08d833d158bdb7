/** From the Workload API's socket to identities that are valid. */
import { isoTime } from '../clock.ts';
import { formatEndpoint } from '../endpoint.ts';
import type { Facts, KnownIdentity, ProcessFacts } from './facts.ts';
import type { Suspicion } from './finding.ts';
import { socketSuspicions } from './socket-findings.ts';

const NOTHING_COMES = 'Without it no identity is issued or rotated. Envoys keep what they have until it expires.';

/** The running sidecar's word counts more than what this command met: another process may be attested as somebody else. */
export function workloadApiSuspicions(facts: Facts): readonly Suspicion[] {
  const { workloadApi, sidecar } = facts;
  if (workloadApi.endpoint === undefined) return [noAddress()];
  if (sidecar.kind === 'status') {
    const { upstream } = sidecar.status;
    if (upstream.state === 'connected') return [...discarded(upstream.discarded?.reason), ...connected(facts)];
    if (upstream.state === 'denied')
      return [noIdentity(sidecar.process ?? facts.self, `the sidecar (pid ${sidecar.process?.pid ?? 'unknown'})`)];
  }
  const socket = workloadApi.socket === undefined ? [] : socketSuspicions('workload_api', workloadApi.socket, socketWords(facts));
  return socket.length > 0 ? socket : answer(facts);
}

function noAddress(): Suspicion {
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
  };
}

function answer(facts: Facts): readonly Suspicion[] {
  const { workloadApi, self, sidecar } = facts;
  const address = workloadApi.endpoint === undefined ? '' : formatEndpoint(workloadApi.endpoint);
  switch (workloadApi.answer.kind) {
    case 'none':
      return [];
    case 'denied':
      return [noIdentity(self, `this command (pid ${self.pid}), for no running sidecar was asked`)];
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
        ? [
            {
              id: 'sidecar.cut_off',
              severity: 'broken',
              what: `The Workload API answers this command, but the sidecar has lost it: ${sidecar.status.upstream.meaning ?? 'it does not answer yet'} (${sidecar.status.upstream.details ?? 'no details'}).`,
              why: NOTHING_COMES,
              fix: 'Look whether the sidecar sees the same socket (its mounts, its user), and restart it.',
            },
          ]
        : [...fine(address), ...dates(workloadApi.answer.identities, facts.now), ...crls(workloadApi.answer.expiredCrls)];
  }
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
function withoutIdentity({ sidecar, self }: Facts, seen: readonly KnownIdentity[]): readonly Suspicion[] {
  if (sidecar.kind !== 'status') return [];
  const { started_at, uptime } = sidecar.status;
  const problems = dates(seen, Date.parse(started_at) + uptime * 1000);
  return problems.length > 0 ? problems : [noIdentity(sidecar.process ?? self, 'the sidecar')];
}

/** A newer certificate that came just now may be on its way through the sidecar. */
const GRACE_MS = 10_000;

function staleSidecar({ id, serial }: KnownIdentity): Suspicion {
  return {
    id: 'sidecar.stale',
    severity: 'broken',
    what: `The Workload API has a newer certificate of ${id} (serial ${serial}) than the sidecar serves, whose own has expired.`,
    why: 'Peers refuse an expired certificate.',
    fix: 'Restart the sidecar, and please report its log: it should have followed.',
  };
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

function dates(identities: readonly KnownIdentity[], now: number): readonly Suspicion[] {
  return identities.flatMap(({ id, notBefore, notAfter }) => {
    if (notBefore > now) return [clockBehind(id, notBefore, now)];
    return notAfter <= now ? [expired(id, notAfter, now, true)] : [];
  });
}

function clockBehind(id: string, from: number, now: number): Suspicion {
  return {
    id: 'clock.behind',
    severity: 'broken',
    what: `${id} begins at ${isoTime(from)}, and this machine's clock says ${isoTime(now)}: it is behind, or that of the CA is ahead.`,
    why: 'Nothing is served in its place until then.',
    fix: 'timedatectl set-ntp true',
  };
}

/** @param fromTheStart whether it had expired when it came: a new certificate is not old, so the clock is suspected */
function expired(id: string, notAfter: number, now: number, fromTheStart: boolean): Suspicion {
  const why = 'Peers refuse an expired certificate: every new connection fails.';
  if (fromTheStart)
    return {
      id: 'clock.ahead',
      severity: 'broken',
      what: `${id} had expired when it came: it ended at ${isoTime(notAfter)}, and this machine's clock says ${isoTime(now)}. The clock is ahead, or the agent hands out what it kept.`,
      why,
      fix: 'timedatectl set-ntp true',
    };
  return {
    id: 'identity.expired',
    severity: 'broken',
    what: `${id} has expired at ${isoTime(notAfter)}, and the Workload API has sent no newer certificate.`,
    why,
    fix: 'Look at the log of the SPIFFE agent: can it reach its server? (SPIRE: spire-agent healthcheck -verbose)',
    explainedBy: ['sidecar.stale', 'workload_api.message_unusable', 'clock.ahead'],
  };
}

function keyType(id: string, warning: string): Suspicion {
  return {
    id: 'identity.key_type',
    severity: 'warning',
    what: `${id}: ${warning}`,
    why: 'An Envoy at the other end may refuse this certificate.',
    fix: 'Let the CA issue P-256 keys (SPIRE: workload_x509_svid_key_type = "ec-p256" in agent.conf).',
  };
}

function crls(expiredCrls: readonly string[]): readonly Suspicion[] {
  return expiredCrls.map((crl) => ({
    id: 'crl.expired',
    severity: 'broken',
    what: `The CRL of ${crl}.`,
    why: 'Revoked certificates are accepted again.',
    fix: 'Let the CA publish a new CRL.',
  }));
}

function noIdentity({ uid, gid, cgroup }: ProcessFacts, who: string): Suspicion {
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
    fix: `spire-server entry create -parentID "$(spire-server agent list | awk '/SPIFFE ID/ { print $NF; exit }')" -spiffeID spiffe://example.org/workload -selector unix:uid:${uid}`,
  };
}
