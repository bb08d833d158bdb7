/** Who is asked what each workload of a node may have: a broker, or the agent itself. */
import type { WorkloadApi } from '../workload-api/workload-api.ts';
import type { WorkloadName } from './reference.ts';

export interface WorkloadSource extends Disposable {
  /** What this workload may have. Nothing is asked before something is fetched. */
  workload(name: WorkloadName): WorkloadApi;
}
