/** What one workload may have, whoever says so: its own Workload API, or a broker that was asked about it. */
import type { status } from '@grpc/grpc-js';
import type {
  JWTBundlesResponse,
  JWTSVIDRequest,
  JWTSVIDResponse,
  X509BundlesResponse,
  X509SVIDResponse,
} from '../gen/messages.ts';
import type { Fetch } from './stream-call.ts';
import type { Verdict } from './verdict.ts';

/** The bytes of a message that came over gRPC are nobody else's. */
export function wipeKeys({ svids }: X509SVIDResponse): void {
  for (const { x509_svid_key } of svids) x509_svid_key.fill(0);
}

/** Makes the fetch for one request. */
export type FetchJwtSvid = (request: JWTSVIDRequest) => Fetch<JWTSVIDResponse>;

export interface WorkloadApi {
  /** Where it is, for events. */
  readonly address: string;
  readonly fetchX509Svid: Fetch<X509SVIDResponse>;
  /** Overwrites the private keys of a message, once what is used of it was copied. Absent: they stay until the message is collected. */
  readonly wipe?: (response: X509SVIDResponse) => void;
  readonly fetchX509Bundles: Fetch<X509BundlesResponse>;
  readonly fetchJwtSvid: FetchJwtSvid;
  readonly fetchJwtBundles: Fetch<JWTBundlesResponse>;
  /** What the end of one of its calls means. */
  readonly verdictOf: (code: status) => Verdict;
}
