/** What an agent of SPIRE says of workloads by its Delegated Identity API, in the words of the Workload API: for agents without the Broker API. */
import { status } from '@grpc/grpc-js';
import type {
  FetchJWTSVIDsResponse,
  SubscribeToJWTBundlesResponse,
  SubscribeToX509BundlesResponse,
  SubscribeToX509SVIDsResponse,
  X509BundlesResponse,
} from '../gen/messages.ts';
import type { Fetch } from '../workload-api/stream-call.ts';
import type { WorkloadApi } from '../workload-api/workload-api.ts';
import { JWT_BUNDLES, jwtSvidResponse, X509_SVIDS } from './delegated-messages.ts';
import { delegatedVerdictOf } from './delegated-verdict.ts';
import { joined, mapped, shared } from './fetches.ts';
import type { WorkloadName } from './reference.ts';
import type { WorkloadSource } from './workload-source.ts';

export type DelegatedMethod = 'SubscribeToX509SVIDs' | 'SubscribeToX509Bundles' | 'FetchJWTSVIDs' | 'SubscribeToJWTBundles';

/** The calls of the API. */
export interface DelegatedCalls extends Disposable {
  /** Where it is, for events. */
  readonly address: string;
  /** @param request default: an empty one */
  fetch<Message>(name: DelegatedMethod, request?: object): Fetch<Message>;
}

/** All workloads share one stream of bundles. */
export class DelegatedSource implements WorkloadSource {
  readonly #calls: DelegatedCalls;
  readonly #x509Bundles: Fetch<SubscribeToX509BundlesResponse>;
  readonly #jwtBundles: Fetch<SubscribeToJWTBundlesResponse>;

  constructor(calls: DelegatedCalls) {
    this.#calls = calls;
    this.#x509Bundles = shared(calls.fetch('SubscribeToX509Bundles'));
    this.#jwtBundles = shared(calls.fetch('SubscribeToJWTBundles'));
  }

  /** @throws Error for a pod: this API knows processes alone */
  workload(name: WorkloadName): WorkloadApi {
    if (name.kind !== 'pid') throw new Error('the Delegated Identity API knows no pods');
    const { pid } = name;
    const svids = this.#calls.fetch<SubscribeToX509SVIDsResponse>('SubscribeToX509SVIDs', { pid });
    return {
      address: this.#calls.address,
      fetchX509Svid: joined(svids, this.#x509Bundles, X509_SVIDS),
      fetchX509Bundles: BUNDLES_COME_WITH_SVIDS,
      fetchJwtSvid: ({ audience, spiffe_id }) =>
        mapped(this.#calls.fetch<FetchJWTSVIDsResponse>('FetchJWTSVIDs', { audience, pid }), (answer) =>
          jwtSvidResponse(answer, spiffe_id),
        ),
      fetchJwtBundles: joined(svids, this.#jwtBundles, JWT_BUNDLES),
      verdictOf: delegatedVerdictOf,
    };
  }

  [Symbol.dispose](): void {
    this.#calls[Symbol.dispose]();
  }
}

/** As a Workload API without the optional profile. */
const BUNDLES_COME_WITH_SVIDS: Fetch<X509BundlesResponse> = (listener) => {
  let cancelled = false;
  queueMicrotask(() => {
    if (!cancelled) listener.end(status.UNIMPLEMENTED, 'the bundles come with the SVIDs');
  });
  return () => {
    cancelled = true;
  };
};
