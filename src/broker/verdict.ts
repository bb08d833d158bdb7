/** What a gRPC status of the Broker API means (Broker API specification, error handling). */
import { status } from '@grpc/grpc-js';
import { type Verdict, verdictOf as verdictOfWorkloadApi } from '../workload-api/verdict.ts';

/**
 * Of a call about one workload. A code that is not the broker's own is judged as the Workload API's. NOT_FOUND is no proof that the process
 * has ended, which only its pidfd can tell, so what came before stays.
 */
export function verdictOf(code: status): Verdict {
  switch (code) {
    case status.PERMISSION_DENIED:
      return {
        identities: 'withdraw',
        next: 'retry',
        meaning:
          'the broker gives this workload nothing: is there a registration entry whose selectors match it, and may this broker refer to workloads in this way?',
      };
    case status.NOT_FOUND:
      return {
        identities: 'keep',
        next: 'retry',
        meaning: 'the broker does not find this workload: does its agent see the same processes (hostPID), and the same pods?',
      };
    case status.UNAUTHENTICATED:
      return {
        identities: 'keep',
        next: 'retry',
        meaning: 'the broker does not accept the identity of spiffe-sds: is its SPIFFE ID among the brokers of the agent?',
      };
    case status.INVALID_ARGUMENT:
      return {
        identities: 'keep',
        next: 'stop',
        meaning:
          'the broker calls this reference to a workload malformed: is it a SPIFFE broker, and does it know broker.reference?',
      };
    case status.UNIMPLEMENTED:
      return { identities: 'keep', next: 'stop', meaning: 'no Broker API is served at this address: is it the right socket?' };
    case status.UNAVAILABLE:
      return {
        identities: 'keep',
        next: 'retry',
        meaning:
          'the broker cannot be reached: does the agent run, is its broker socket mounted, and does it admit the SPIFFE ID of spiffe-sds?',
      };
    case status.OK:
      return { identities: 'keep', next: 'retry', meaning: 'the broker ended the stream' };
    case status.INTERNAL:
      return { identities: 'keep', next: 'retry', meaning: 'the broker could not find out what this workload is' };
    default:
      return { ...verdictOfWorkloadApi(code), meaning: 'the broker failed' };
  }
}
