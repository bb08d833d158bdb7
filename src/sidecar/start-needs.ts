/** What the sidecar cannot start without, besides a valid configuration. */
import type { Configuration } from '../config/schema/schema.ts';
import { addressesOf } from '../config/schema/workload-api-schema.ts';
import type { Endpoint } from '../endpoint.ts';
import { messageOf, SpiffeSdsError } from '../error.ts';
import { gidOf } from '../server/group.ts';
import type { CredentialsReader } from '../server/peer.ts';

export interface StartNeeds {
  /** One or more. */
  readonly workloadApis: readonly Endpoint[];
  /** The group of the SDS socket; absent: that of the process. */
  readonly gid?: number;
  /** Loaded where it matters who a peer is: in node mode, and where rules say who may have which secret. */
  readonly readCredentials?: CredentialsReader;
}

/**
 * @throws SpiffeSdsError `config_invalid`: there is no Workload API address, or no such group; `credentials_unavailable`: there is nobody to
 * ask for what `sds.allow` is about
 */
export async function startNeeds({ mode, workload_api, sds }: Configuration): Promise<StartNeeds> {
  const workloadApis = addressesOf(workload_api);
  if (workloadApis.length === 0) throw new SpiffeSdsError('config_invalid', NO_WORKLOAD_API);
  const readCredentials =
    sds.allow === undefined && mode === 'sidecar'
      ? undefined
      : await credentialsOr(sds.allow === undefined ? WHY_NO_NODE : WHY_NO_RULES);
  return {
    workloadApis,
    ...(readCredentials && { readCredentials }),
    ...(sds.group !== undefined && { gid: await gidOf(sds.group) }),
  };
}

async function credentialsOr(why: string): Promise<CredentialsReader> {
  try {
    const { requireCredentialsReader } = await import('../server/peer-credentials.ts');
    return await requireCredentialsReader();
  } catch (error) {
    throw new SpiffeSdsError('credentials_unavailable', `${why}: ${messageOf(error)}`, { cause: error });
  }
}

export const NO_WORKLOAD_API =
  'no Workload API address: set SPIFFE_ENDPOINT_SOCKET, --workload-api or workload_api.address, for example unix:///run/spire/agent/api.sock';

/** What is said of `sds.allow` where nobody can be asked who a peer is. */
export const WHY_NO_RULES =
  'sds.allow says who may have which secret, but the kernel cannot be asked who a peer is; remove sds.allow, or mend this';

const WHY_NO_NODE =
  'in node mode each process has secrets of its own, but the kernel cannot be asked who a peer is; use mode: sidecar, or mend this';
