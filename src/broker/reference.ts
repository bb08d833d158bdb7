/** How a broker is told which workload is meant (Broker API specification, workload references). */
import type { WorkloadReference } from '../gen/messages.ts';
import { encode } from '../wire/wire.ts';

export const PID_REFERENCE = 'type.googleapis.com/spiffe.broker.WorkloadPIDReference';
export const KUBERNETES_REFERENCE = 'type.googleapis.com/spiffe.broker.KubernetesObjectReference';

/** A process, or the pod that it is in. */
export type WorkloadName =
  | { readonly kind: 'pid'; readonly pid: number }
  /** `uid`: that Kubernetes gave the pod. */
  | { readonly kind: 'pod'; readonly uid: string };

export function referenceTo(workload: WorkloadName): WorkloadReference {
  return { reference: workload.kind === 'pid' ? pidReference(workload.pid) : podReference(workload.uid) };
}

function pidReference(pid: number): WorkloadReference['reference'] {
  return { type_url: PID_REFERENCE, value: encode('spiffe.broker.WorkloadPIDReference', { pid }) };
}

function podReference(uid: string): WorkloadReference['reference'] {
  const type = { plural: 'pods', group: 'core' };
  return { type_url: KUBERNETES_REFERENCE, value: encode('spiffe.broker.KubernetesObjectReference', { type, uid }) };
}

/** In a folder's name of kubelet: `pod` and a uid, whose dashes systemd's driver writes as `_`. */
const POD = /kubepods.*?[/-]pod([0-9a-f]{8}(?:[-_][0-9a-f]{4}){3}[-_][0-9a-f]{12})/;

/**
 * The uid of the pod that a process is in; undefined when it is in none.
 * @param cgroup the content of /proc/PID/cgroup
 */
export function podUidOf(cgroup: string): string | undefined {
  return POD.exec(cgroup)?.[1]?.replaceAll('_', '-');
}
