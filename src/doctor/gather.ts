/** Asks everybody on the way from the Workload API to Envoy, one after the other: what one says decides what is asked of the next. */
import type { Configuration } from '../config/schema/schema.ts';
import { addressesOf } from '../config/schema/workload-api-schema.ts';
import { type Endpoint, parseEndpoint } from '../endpoint.ts';
import type { EnvoyConfiguration } from './envoy-configuration.ts';
import type { EnvoyFacts } from './envoy-facts.ts';
import type { Facts, Peer, ProcessFacts, SdsAnswer, SidecarFacts, SocketFacts, WorkloadAnswer } from './facts.ts';

/** What asks. None of them rejects. */
export interface Probes {
  readonly now: () => number;
  readonly socket: (path: string) => Promise<SocketFacts>;
  readonly workloadApi: (endpoint: Endpoint) => Promise<WorkloadAnswer>;
  /** Whether gRPC health is answered there. */
  readonly answers: (path: string) => Promise<boolean>;
  /** @param names none: all */
  readonly sds: (path: string, names: readonly string[]) => Promise<SdsAnswer>;
  readonly sidecar: () => Promise<SidecarFacts>;
  readonly envoy: (url: string) => Promise<EnvoyFacts>;
  /** Undefined when it cannot be found out. */
  readonly envoyUser: (url: string) => Peer | undefined;
}

export interface Case {
  readonly configuration: Configuration;
  readonly advice: readonly string[];
  readonly self: ProcessFacts;
  readonly expectsSidecar: boolean;
  readonly peer?: Peer;
  readonly bootstrap?: EnvoyConfiguration;
  readonly envoyAdmin?: string;
}

export async function gather(asked: Case, probes: Probes): Promise<Facts> {
  const { configuration, envoyAdmin, bootstrap } = asked;
  const { path } = configuration.sds.listen;
  const found = await probes.socket(path);
  const isSilent = found.state === 'answers' && !(await probes.answers(path));
  const socket: SocketFacts = isSilent ? { ...found, state: 'silent' } : found;
  const sidecar = isSilent ? ({ kind: 'off' } as const) : await probes.sidecar();
  const workloadApi = await lookAtWorkloadApi(endpointOf(configuration, sidecar), probes);
  const envoy = envoyAdmin === undefined ? undefined : await probes.envoy(envoyAdmin);
  const wanted = (envoy?.kind === 'running' ? envoy.envoy.configuration : bootstrap)?.asked.map(({ name }) => name) ?? [];
  const answer = socket.state === 'answers' ? await subscribe(path, sidecar, wanted, probes) : undefined;
  const peer = asked.peer ?? (envoy?.kind === 'running' ? probes.envoyUser(envoyAdmin ?? '') : undefined);
  const { envoyAdmin: _, ...rest } = asked;
  return {
    ...rest,
    ...(peer && { peer }),
    now: probes.now(),
    workloadApi,
    sds: { path, socket, ...(answer && { answer }) },
    sidecar,
    ...(envoy && { envoy }),
  };
}

/** Of several Workload APIs the one that is worst, as the sidecar sees them; the first when it does not run. */
function endpointOf({ workload_api }: Configuration, sidecar: SidecarFacts): Endpoint | undefined {
  const [first, ...others] = addressesOf(workload_api);
  if (first === undefined) return addressOf(sidecar);
  return others.length === 0 ? first : (addressOf(sidecar) ?? first);
}

/** What a running sidecar was started with, and this command was not. */
function addressOf(sidecar: SidecarFacts): Endpoint | undefined {
  const address = sidecar.kind === 'status' ? sidecar.status.upstream.address : undefined;
  return address === undefined ? undefined : parseEndpoint(address);
}

async function lookAtWorkloadApi(endpoint: Endpoint | undefined, probes: Probes): Promise<Facts['workloadApi']> {
  if (endpoint === undefined) return { answer: { kind: 'none' } };
  const socket = endpoint.kind === 'unix' ? await probes.socket(endpoint.path) : undefined;
  if (socket !== undefined && socket.state !== 'answers') return { endpoint, socket, answer: { kind: 'none' } };
  const answer = await probes.workloadApi(endpoint);
  const isSilent = answer.kind === 'failed' && answer.code === 'DEADLINE_EXCEEDED';
  return { endpoint, ...(socket && { socket: isSilent ? { ...socket, state: 'silent' } : socket }), answer };
}

/** All that there is, and what Envoy asks for, which may be a name that stands for another. */
async function subscribe(path: string, sidecar: SidecarFacts, wanted: readonly string[], probes: Probes): Promise<SdsAnswer> {
  // In node mode the names of the status are those of spiffe-sds itself, and this command has names of its own.
  const isShared = sidecar.kind === 'status' && sidecar.status.workloads === undefined;
  const known = isShared ? new Set(sidecar.status.names.map(({ name }) => name)) : undefined;
  if (known?.size === 0) return { kind: 'empty' };
  const all = known === undefined ? await probes.sds(path, []) : await probes.sds(path, [...known]);
  if (known !== undefined || all.kind !== 'secrets' || wanted.length === 0) return all;
  const missing = [...new Set(wanted)].filter((name) => !all.secrets.some((secret) => secret.name === name));
  if (missing.length === 0) return all;
  const more = await probes.sds(path, missing);
  return more.kind === 'secrets' ? { kind: 'secrets', secrets: [...all.secrets, ...more.secrets] } : all;
}
