/** What is the matter, the worst first: what a person wants to read at three in the morning. */
import type { Status } from '../status.ts';
import type { State } from './element.ts';
import { workloadState } from './way.ts';

export interface Problem {
  readonly state: State;
  readonly text: string;
}

const MAX_OF_A_KIND = 5;
const SIDE = { telemetry: 'telemetry is not exported', audit: 'the audit log is not written' } as const;

const WORST_FIRST: readonly State[] = ['bad', 'warn'];

/** Nothing is the matter when there is none. */
export function problemsOf(status: Status): readonly Problem[] {
  return allProblems(status).toSorted((a, b) => WORST_FIRST.indexOf(a.state) - WORST_FIRST.indexOf(b.state));
}

function allProblems(status: Status): readonly Problem[] {
  const {
    checks,
    upstream,
    upstreams = [upstream],
    conflicts = [],
    configuration,
    identities,
    bundles,
    subscribers,
    held,
    problems,
    workloads = [],
  } = status;
  const which = ({ address }: Status['upstream']) =>
    upstreams.length === 1 ? 'the Workload API' : `the Workload API ${address ?? ''}`;
  const reload = configuration.last_reload;
  return [
    ...checks.filter(({ ok }) => !ok).map(({ name, reason }) => bad(`${name}: ${reason}`)),
    ...bundles
      .filter(({ distrusted }) => distrusted)
      .map((bundle) => bad(`nobody from ${bundle.trust_domain} is accepted: its bundle is gone`)),
    ...few(
      subscribers.flatMap(({ node, names, last_nack }) =>
        names
          .filter(({ rejected }) => rejected !== undefined)
          .map(({ name }) =>
            bad(`Envoy ${node || 'without a node.id'} rejects ${name}: ${last_nack?.reason ?? 'it gives no reason'}`),
          ),
      ),
      'rejected secrets',
    ),
    ...few(
      workloads.flatMap((workload) => {
        const { state, word } = workloadState(workload);
        if (state !== 'bad' && state !== 'warn') return [];
        const { pid, uid, broker } = workload;
        const why = broker.meaning === undefined ? '' : `: ${broker.meaning}`;
        const process = `process ${pid} of uid ${uid}`;
        return [{ state, text: state === 'bad' ? `an SVID of ${process} has expired` : `${process} is ${word}${why}` }];
      }),
      'workloads',
    ),
    ...few(
      held.map(({ name, streams, nearest }) =>
        warn(
          `${name} is held: there is no such name, and ${streams} ${streams === 1 ? 'stream waits' : 'streams wait'} for it${nearest === undefined ? '' : `. Is ${nearest} meant?`}`,
        ),
      ),
      'held names',
    ),
    ...upstreams
      .filter(({ state, retried }) => state === 'lost' && retried)
      .map((one) => warn(`${which(one)} is lost, and tried again; what it gave is served: ${one.meaning ?? ''}`)),
    ...(upstreams.length === 1 ? [] : upstreams.filter(({ state }) => state === 'denied')).map((one) =>
      warn(`${which(one)} refuses this workload: ${one.meaning ?? ''}`),
    ),
    ...upstreams.flatMap((one) =>
      one.discarded === undefined ? [] : [warn(`the last message of ${which(one)} was discarded: ${one.discarded.reason}`)],
    ),
    ...few(
      conflicts.map(({ of, name, used, left }) =>
        warn(`${of === 'svid' ? name : `the bundle of ${name}`} is given by ${used}, which is used, and differently by ${left}`),
      ),
      'conflicts',
    ),
    ...problems.map(({ of, reason }) => warn(`${SIDE[of]}; secrets are served all the same: ${reason}`)),
    ...few(
      identities.flatMap(({ id, warning }) => (warning === undefined ? [] : [warn(`${id}: ${warning}`)])),
      'warnings',
    ),
    ...(reload?.problem === undefined ? [] : [warn(`the configuration file is not used as it is now: ${reload.problem}`)]),
    ...(reload === undefined || reload.need_restart.length === 0
      ? []
      : [warn(`in force after a restart only: ${reload.need_restart.join(', ')}`)]),
  ];
}

function few(problems: readonly Problem[], what: string): readonly Problem[] {
  const [first] = problems;
  if (first === undefined || problems.length <= MAX_OF_A_KIND) return problems;
  return [...problems.slice(0, MAX_OF_A_KIND), { ...first, text: `and ${problems.length - MAX_OF_A_KIND} more ${what}` }];
}

function bad(text: string): Problem {
  return { state: 'bad', text };
}

function warn(text: string): Problem {
  return { state: 'warn', text };
}
