/** What a gRPC status of SPIRE's Delegated Identity API means: its code says less than the Broker API's. */
import { status } from '@grpc/grpc-js';
import { type Verdict, verdictOf as verdictOfWorkloadApi } from '../workload-api/verdict.ts';

/** A workload without an entry has no status of its own: it gets a message without SVIDs. */
export function delegatedVerdictOf(code: status): Verdict {
  switch (code) {
    case status.PERMISSION_DENIED:
      return {
        identities: 'withdraw',
        next: 'retry',
        meaning:
          'the agent does not let spiffe-sds ask for other workloads: does a registration entry give it an identity, and is that SPIFFE ID among authorized_delegates in the agent block of the configuration of the agent?',
      };
    case status.UNAVAILABLE:
      return {
        identities: 'keep',
        next: 'retry',
        meaning:
          'the agent cannot be reached, or cannot find out what this workload is: does it run, is the folder of its admin socket (admin_socket_path) mounted, and does it see the same processes (hostPID)?',
      };
    case status.INVALID_ARGUMENT:
      return {
        identities: 'keep',
        next: 'stop',
        meaning:
          'the agent calls this request malformed: does its version of SPIRE know workloads by their pid (1.10.2 and later)?',
      };
    case status.UNIMPLEMENTED:
      return {
        identities: 'keep',
        next: 'stop',
        meaning:
          'no Delegated Identity API is served at this address: is it the admin socket of the agent (admin_socket_path), and are there authorized_delegates?',
      };
    case status.OK:
      return { identities: 'keep', next: 'retry', meaning: 'the agent ended the stream' };
    default:
      return { ...verdictOfWorkloadApi(code), meaning: 'the agent failed' };
  }
}
