/** What the end of a Workload API stream means: the one place where gRPC status codes are judged. */
import { status } from '@grpc/grpc-js';

export interface Verdict {
  /** keep: what was received stays in use. withdraw: this workload is not entitled to it any more. */
  readonly identities: 'keep' | 'withdraw';
  /** retry: the same call may succeed later. stop: it cannot, until someone changes something and restarts the sidecar. */
  readonly next: 'retry' | 'stop';
  /** For operators: what it means and what to look at. */
  readonly meaning: string;
}

/**
 * SPIFFE Workload Endpoint specification, section 4 and Workload API specification, section 4: PermissionDenied withdraws,
 * InvalidArgument and Unimplemented are not retried, everything else is trouble on the way.
 */
export function judge(code: status): Verdict {
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
