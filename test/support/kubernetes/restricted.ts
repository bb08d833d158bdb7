/** The Pod Security Standard "restricted", in the version of Kubernetes 1.30 and later. */
import type { PodSpec } from './objects.ts';

const VOLUMES = ['configMap', 'csi', 'downwardAPI', 'emptyDir', 'ephemeral', 'persistentVolumeClaim', 'projected', 'secret'];

/** What a namespace that enforces it would refuse, each as a sentence. */
export function violations(pod: PodSpec): readonly string[] {
  // biome-ignore lint/suspicious/noExplicitAny: it looks for keys that may be anywhere
  const { securityContext: ofPod = {}, ...spec } = pod as any;
  const found: string[] = [];
  for (const key of ['hostNetwork', 'hostPID', 'hostIPC']) if (spec[key] === true) found.push(`the pod has ${key}`);
  for (const { name, ...source } of spec.volumes ?? [])
    for (const kind of Object.keys(source)) if (!VOLUMES.includes(kind)) found.push(`volume ${name} is a ${kind}`);
  for (const { name, ports = [], securityContext: own = {} } of [...(spec.initContainers ?? []), ...spec.containers]) {
    const inForce = { ...ofPod, ...own };
    if (inForce.runAsNonRoot !== true) found.push(`${name} may run as root`);
    if (inForce.runAsUser === 0) found.push(`${name} runs as root`);
    if (own.privileged === true) found.push(`${name} is privileged`);
    if (own.allowPrivilegeEscalation !== false) found.push(`${name} may get privileges`);
    if (!own.capabilities?.drop?.includes('ALL')) found.push(`${name} keeps capabilities`);
    for (const added of own.capabilities?.add ?? []) if (added !== 'NET_BIND_SERVICE') found.push(`${name} gets ${added}`);
    if (!['RuntimeDefault', 'Localhost'].includes(inForce.seccompProfile?.type)) found.push(`${name} has no seccomp profile`);
    for (const port of ports) if ('hostPort' in port) found.push(`${name} has a port of the host`);
  }
  return found;
}
