/** The SDS socket, and what the sidecar behind it says of itself. */
import { dirname } from 'node:path';
import { formatAdminListen } from '../config/schema/telemetry-schema.ts';
import { connections } from './envoy-facts.ts';
import type { Facts, Peer } from './facts.ts';
import type { Suspicion } from './finding.ts';
import { judgementOf, nodeOf, socketInForce } from './in-force.ts';
import { workloadsOf } from './node-findings.ts';
import { barrier, type Obstacle, socketSuspicions } from './socket-findings.ts';

const NO_SECRETS = 'Envoys get no secrets, and no rotation.';

export function sidecarSuspicions(facts: Facts): readonly Suspicion[] {
  return [...configuration(facts), ...sds(facts), ...peer(facts), ...admin(facts), ...told(facts)];
}

function configuration({ advice, sidecar }: Facts): readonly Suspicion[] {
  const reload = sidecar.kind === 'status' ? sidecar.status.configuration.last_reload : undefined;
  return [
    ...advice.map((what) => ({
      id: 'configuration.unwise',
      severity: 'warning' as const,
      what,
      why: 'It is legal, and rarely what is meant.',
      fix: 'Change what the sentence names; spiffe-sds check says it again until then.',
    })),
    ...(reload?.problem === undefined
      ? []
      : [
          {
            id: 'configuration.not_in_force',
            severity: 'broken' as const,
            what: `The configuration file was changed and is not used: ${reload.problem}`,
            why: 'The configuration before it is still in force, and the next start will fail.',
            fix: `spiffe-sds check --config ${(sidecar.kind === 'status' ? sidecar.status.configuration.file : undefined) ?? 'FILE'}`,
          },
        ]),
  ];
}

function sds(facts: Facts): readonly Suspicion[] {
  const {
    sds: { path, socket, answer },
    self,
    expectsSidecar,
  } = facts;
  if (!expectsSidecar && socket.state !== 'answers') return [];
  const words = {
    path,
    of: 'sidecar',
    why: NO_SECRETS,
    setting: 'sds.listen, --listen or SPIFFE_SDS_LISTEN',
    start: `Start the sidecar: spiffe-sds serve --listen unix://${path}.`,
    self,
  };
  const problems = socketSuspicions('sds', socket, words);
  // Without that address it does not start.
  if (problems.length > 0)
    return socket.state === 'forbidden'
      ? problems
      : problems.map((problem) => ({ ...problem, explainedBy: ['workload_api.no_address'] }));
  if (answer?.kind === 'failed') {
    // Whom no rule can be for is not even let in.
    const isRefused = /PERMISSION_DENIED/.test(answer.reason) || judgementOf(facts, self, undefined)?.kind === 'refused';
    return [isRefused ? selfRefused(facts) : fails(path, answer.reason)];
  }
  const count = answer?.kind === 'secrets' ? answer.secrets.length : 0;
  const isNode = workloadsOf(facts) !== undefined;
  const what = isNode
    ? `${path} serves secrets to this command, of uid ${self.uid}: ${count}. Other processes have their own.`
    : `${path} serves secrets: ${count}.`;
  return [{ id: 'sds.answers', severity: 'fine', what }];
}

function fails(path: string, reason: string): Suspicion {
  return {
    id: 'sds.fails',
    severity: 'broken',
    what: `A subscription at ${path} gets no secrets: ${reason}`,
    why: NO_SECRETS,
    fix: 'Look at the log of what serves this socket: is it spiffe-sds?',
  };
}

/** The Envoys may be allowed all the same. */
function selfRefused(facts: Facts): Suspicion {
  const { peer, envoy, self } = facts;
  const { uid } = self;
  const what = `sds.allow gives nothing to uid ${uid}, with which this command runs: it cannot see what is served.`;
  const isConnected = envoy?.kind === 'running' && connections(envoy.envoy).some((state) => state === 1);
  const isAllowed = peer !== undefined && judgementOf(facts, peer, nodeOf(facts))?.kind !== 'refused';
  if (isConnected || isAllowed) return { id: 'sds.self_refused', severity: 'fine', what };
  return {
    id: 'sds.self_refused',
    severity: 'warning',
    what,
    why: 'An Envoy of the same user gets nothing either.',
    fix: `Run this command as the user of the Envoy, name that one with --uid and --gid, or add a rule: sds: { allow: [{ uid: [${uid}] }] }`,
    explainedBy: ['sds.peer_refused'],
  };
}

/** Whether the Envoy could connect, and would get anything. */
function peer(facts: Facts): readonly Suspicion[] {
  const {
    peer,
    sds: { path, socket },
  } = facts;
  if (peer === undefined || !('folders' in socket) || socket.state === 'forbidden') return [];
  const judgement = judgementOf(facts, peer, nodeOf(facts));
  const obstacle = barrier(socket, path, peer);
  const who = [
    ...(peer.uid === undefined ? [] : [`uid ${peer.uid}`]),
    ...(peer.gid === undefined ? [] : [`gid ${peer.gid}`]),
  ].join(', ');
  if (obstacle === undefined && judgement?.kind === 'refused')
    return [
      {
        id: 'sds.peer_refused',
        severity: 'broken',
        what: `${who} may connect to ${path}, and ${judgement.reason}.`,
        why: 'That Envoy is refused and gets no secrets.',
        fix: `sds: { allow: ${JSON.stringify([{ ...(peer.uid === undefined ? { gid: [peer.gid] } : { uid: [peer.uid] }) }, ...(socketInForce(facts).allow ?? [])])} }`,
      },
    ];
  if (obstacle === undefined) return [{ id: 'sds.peer_may_connect', severity: 'fine', what: `${who} may connect to ${path}.` }];
  return [
    {
      id: 'sds.peer_kept_out',
      severity: 'broken',
      what: `${who} may not connect: ${obstacle.what}.`,
      why: 'That Envoy gets no secrets; it logs "immediate_connect_error:_Permission_denied".',
      fix: letIn(facts, peer, obstacle, socket.gid),
    },
  ];
}

function letIn(facts: Facts, { uid, gid }: Peer, { isFolder, path }: Obstacle, socketGid: number): string {
  const { sidecar } = facts;
  // The sidecar leaves a folder that is there as it is, whatever sds.group says.
  if (isFolder) return `chmod a+x ${path}`;
  if (gid === undefined) return `Run Envoy with the group ${socketGid} (Docker: user: "${uid}:${socketGid}").`;
  const setting = `sds: { group: ${gid}, mode: "${(socketInForce(facts).mode | 0o060).toString(8).padStart(4, '0')}" }`;
  const user = sidecar.kind === 'status' ? sidecar.process : undefined;
  if (user === undefined || user.uid === 0 || user.gid === gid || user.groups?.includes(gid)) return setting;
  return `Run the sidecar with the group ${gid}, too (systemd: SupplementaryGroups=${gid}; Docker: group_add: ["${gid}"]; a pod: fsGroup: ${gid}), and write ${setting}`;
}

function admin({ sidecar, sds: { socket }, configuration }: Facts): readonly Suspicion[] {
  if (sidecar.kind !== 'other' && sidecar.kind !== 'failed') return [];
  if (socket.state !== 'answers') return [];
  const listen = configuration.admin.listen === 'off' ? '' : formatAdminListen(configuration.admin.listen);
  const isOther = sidecar.kind === 'other';
  return [
    {
      id: isOther ? 'admin.taken' : 'admin.no_answer',
      severity: 'warning',
      what: isOther
        ? `The admin address ${listen} is somebody else's: ${sidecar.reason}`
        : `Nobody answers at the admin address ${listen}: ${sidecar.reason}`,
      why: 'Secrets are served all the same. Probes and metrics are not those of this sidecar, and this command knows less.',
      fix: isOther
        ? 'Give this sidecar an address of its own, for example admin: { listen: 127.0.0.1:8083 }'
        : 'Name the address that the sidecar has: --admin, SPIFFE_SDS_ADMIN or admin.listen.',
      explainedBy: ['sds.', 'socket.'],
    },
  ];
}

/** What only the sidecar knows. */
function told({ sidecar, sds }: Facts): readonly Suspicion[] {
  if (sidecar.kind !== 'status') return [];
  const { checks, problems = [], version, process } = sidecar.status;
  const other = sds.socket.state === 'answers' && sds.socket.pid !== process.pid ? sds.socket.pid : undefined;
  const socket = checks.find(({ name, ok }) => name === 'socket' && !ok);
  return [
    { id: 'sidecar.runs', severity: 'fine', what: `spiffe-sds ${version} runs.` },
    ...(socket === undefined && other === undefined
      ? []
      : [
          {
            id: 'sds.taken',
            severity: 'broken' as const,
            what: `The sidecar has lost its socket: ${other === undefined ? socket?.reason : `pid ${other} listens on ${sds.path}, and the sidecar is pid ${process.pid}`}.`,
            why: 'Another process has taken the path, or removed the file: two sidecars need two paths.',
            fix: `Stop the other one${other === undefined ? '' : ` (kill ${other})`}, or give it a path of its own: spiffe-sds serve --listen unix://${dirname(sds.path)}/other.sock`,
          },
        ]),
    ...problems.map(({ of, at, reason }) => ({
      id: `${of}.failed`,
      severity: 'warning' as const,
      what: `${of === 'telemetry' ? 'Telemetry cannot be exported' : 'The audit log cannot be written'}, last at ${at}: ${reason}`,
      why: 'It is harmless to Envoy: secrets are served and rotated all the same.',
      fix:
        of === 'telemetry'
          ? 'Start the collector, or correct OTEL_EXPORTER_OTLP_ENDPOINT.'
          : 'Read what the target takes, free its disk, or set log.audit to another one.',
    })),
  ];
}
