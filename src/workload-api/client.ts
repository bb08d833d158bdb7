/** Calls the Workload API over gRPC. Each call reports to a listener; the caller decides on retries, deadlines and the meaning of errors. */
import { credentials, status } from '@grpc/grpc-js';
import { type Endpoint, formatEndpoint } from '../endpoint.ts';
import { whyUnreachable } from '../unreachable.ts';
import { method } from '../wire/wire.ts';
import { connectingClient, type Fetch, openCall } from './stream-call.ts';
import { verdictOf } from './verdict.ts';
import { type WorkloadApi, wipeKeys } from './workload-api.ts';

/**
 * The Workload API at an address (Workload API specification, sections 5.2 and 6.2). Each fetch opens its own connection, so it finds a
 * socket that was replaced, and the backoff of grpc-js does not delay the next attempt.
 */
export function workloadApiAt(endpoint: Endpoint): WorkloadApi {
  return {
    address: formatEndpoint(endpoint),
    fetchX509Svid: fetchStream(endpoint, 'FetchX509SVID'),
    wipe: wipeKeys,
    fetchX509Bundles: fetchStream(endpoint, 'FetchX509Bundles'),
    fetchJwtSvid: (request) => fetchStream(endpoint, 'FetchJWTSVID', request),
    fetchJwtBundles: fetchStream(endpoint, 'FetchJWTBundles'),
    verdictOf,
  };
}

function fetchStream<Message>(
  endpoint: Endpoint,
  name: 'FetchX509SVID' | 'FetchX509Bundles' | 'FetchJWTBundles' | 'FetchJWTSVID',
  request: object = {},
): Fetch<Message> {
  const called = method<object, Message>('SpiffeWorkloadAPI', name);
  return (listener) => {
    const client = connectingClient(endpoint, credentials.createInsecure());
    const cancel = openCall(client, called, request, 'workload.spiffe.io', {
      message: (message: Message) => listener.message(message),
      end(code, details) {
        client.close();
        listener.end(code, code === status.UNAVAILABLE ? whyUnreachable(endpoint, details) : details);
      },
    });
    return () => {
      cancel();
      client.close();
    };
  };
}
