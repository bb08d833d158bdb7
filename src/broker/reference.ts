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

/** What kubelet makes above the folders of pods, by either of its cgroup drivers, perhaps in a root of its own. Each may be left out. */
const LEVELS =
  '(?:/kubelet(?:\\.slice)?)?(?:/(?:kubelet-)?kubepods(?:-[a-z]+)?(?:\\.slice)?)*(?:/(?:besteffort|burstable|guaranteed))?';
/** `pod` and a uid, whose dashes systemd's driver writes as `_`; below it is what the container does itself. */
const POD = '/((?:[a-z]+-)*)pod([0-9a-f]{8}(?:[-_][0-9a-f]{4}){3}[-_][0-9a-f]{12})(?:\\.slice)?(?:/|$)';
/** Whoever is not in the root of our own cgroup namespace has a path that goes up first. */
const PATH = new RegExp(`^((?:/\\.\\.)*)(${LEVELS})${POD}`);

/**
 * The uid of the pod that a process is in; undefined when it is in none. Only folders that kubelet makes count, and they are read from the top:
 * a user may have cgroups of his own further down, and name them as he likes.
 * @param cgroup the content of /proc/PID/cgroup
 */
export function podUidOf(cgroup: string): string | undefined {
  for (const line of cgroup.split('\n')) {
    const path = line.replace(/^[^:]*:[^:]*:/, '');
    const [, up = '', levels = '', prefix = '', uid] = PATH.exec(path) ?? [];
    const ofKubelet = /kubepods/.test(levels + prefix) || up !== '';
    if (uid !== undefined && ofKubelet) return uid.replaceAll('_', '-');
  }
  return undefined;
}
