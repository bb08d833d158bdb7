/** What a gRPC status code of the Workload API means. No other file decides this. */
import { status } from '@grpc/grpc-js';

/** What to do after the end of a call. */
export interface Verdict {
  /** `keep`: the received identities stay in use. `withdraw`: this workload is no longer entitled to them. */
  readonly identities: 'keep' | 'withdraw';
  /** `retry`: the same call may succeed later. `stop`: it cannot succeed until the operator fixes the cause and restarts the sidecar. */
  readonly next: 'retry' | 'stop';
  /** A sentence for operators: what happened and what to check. */
  readonly meaning: string;
}

/**
 * SPIFFE Workload Endpoint specification, section 4, and Workload API specification, section 4: PermissionDenied withdraws the identities,
 * InvalidArgument and Unimplemented are not retried, and every other code is a temporary failure.
 */
export function verdictOf(code: status): Verdict {
  switch (code) {
    case status.PERMISSION_DENIED:
      return {
        identities: 'withdraw',
        next: 'retry',
        meaning: 'the Workload API has no identity for this process: is there a registration entry whose selectors match it?',
      };
    case status.INVALID_ARGUMENT:
      return {
        identities: 'keep',
        next: 'stop',
        meaning: 'the Workload API calls this request malformed: is it a SPIFFE Workload API?',
      };
    case status.UNIMPLEMENTED:
      return {
        identities: 'keep',
        next: 'stop',
        meaning: 'no X.509 Workload API is served at this address: is it the right socket?',
      };
    case status.OK:
      return { identities: 'keep', next: 'retry', meaning: 'the Workload API ended the stream' };
    case status.UNAVAILABLE:
      return {
        identities: 'keep',
        next: 'retry',
        meaning: 'the Workload API cannot be reached: does the agent run, and is its socket mounted?',
      };
    default:
      return { identities: 'keep', next: 'retry', meaning: 'the Workload API failed' };
  }
}
