/** What the sidecar cannot start without, besides a valid configuration. */
import type { Configuration } from '../config/schema/schema.ts';
import type { Endpoint } from '../endpoint.ts';
import { SpiffeSdsError } from '../error.ts';
import { gidOf } from '../server/group.ts';

export interface StartNeeds {
  readonly workloadApi: Endpoint;
  /** The group of the SDS socket; absent: that of the process. */
  readonly gid?: number;
}

/** @throws SpiffeSdsError `config_invalid`: there is no Workload API address, or no such group */
export async function startNeeds({ workload_api, sds }: Configuration): Promise<StartNeeds> {
  const { address } = workload_api;
  if (address === undefined) {
    throw new SpiffeSdsError(
      'config_invalid',
      'no Workload API address: set SPIFFE_ENDPOINT_SOCKET, --workload-api or workload_api.address, for example unix:///run/spire/agent/api.sock',
    );
  }
  return { workloadApi: address, ...(sds.group !== undefined && { gid: await gidOf(sds.group) }) };
}
