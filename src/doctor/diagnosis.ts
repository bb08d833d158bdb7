/** From facts to findings, along the way from the Workload API to Envoy. */
import { envoySuspicions } from './envoy-findings.ts';
import type { Facts } from './facts.ts';
import { diagnose, type Finding } from './finding.ts';
import { nodeSuspicions } from './node-findings.ts';
import { sidecarSuspicions } from './sidecar-findings.ts';
import { workloadApiSuspicions } from './workload-api-findings.ts';

/** The causes first, each broken thing before each warning; what only follows from a cause is left out. */
export function findingsOf(facts: Facts): readonly Finding[] {
  return diagnose([
    ...workloadApiSuspicions(facts),
    ...sidecarSuspicions(facts),
    ...nodeSuspicions(facts),
    ...envoySuspicions(facts),
  ]);
}
