/**
 * Asks an agent of SPIRE what other workloads may have, by its Delegated Identity API: for agents without the Broker API. The agent attests
 * who asks on its admin socket, and then the process that is asked about; there is no TLS.
 */
import { credentials, status } from '@grpc/grpc-js';
import { type Endpoint, formatEndpoint } from '../endpoint.ts';
import type {
  FetchJWTSVIDsResponse,
  SubscribeToJWTBundlesResponse,
  SubscribeToX509BundlesResponse,
  SubscribeToX509SVIDsResponse,
  X509BundlesResponse,
} from '../gen/messages.ts';
import { whyUnreachable } from '../unreachable.ts';
import { method } from '../wire/wire.ts';
import { connectingClient, type Fetch } from '../workload-api/stream-call.ts';
import type { WorkloadApi } from '../workload-api/workload-api.ts';
import { Connection } from './connection.ts';
import { JWT_BUNDLES, jwtSvidResponse, X509_SVIDS } from './delegated-messages.ts';
import { delegatedVerdictOf } from './delegated-verdict.ts';
import { joined, mapped, shared } from './fetches.ts';
import type { WorkloadName } from './reference.ts';
import type { WorkloadSource } from './workload-source.ts';

const SERVICE = 'spire.api.agent.delegatedidentity.v1.DelegatedIdentity';

type DelegatedMethod = 'SubscribeToX509SVIDs' | 'SubscribeToX509Bundles' | 'FetchJWTSVIDs' | 'SubscribeToJWTBundles';

/** All calls share one connection, and all workloads one stream of bundles. */
export class DelegatedIdentityClient implements WorkloadSource {
  readonly #endpoint: Endpoint;
  readonly #x509Bundles: Fetch<SubscribeToX509BundlesResponse>;
  readonly #jwtBundles: Fetch<SubscribeToJWTBundlesResponse>;
  #connection: Connection | undefined;

  /** @param endpoint the admin socket of the agent */
  constructor(endpoint: Endpoint) {
    this.#endpoint = endpoint;
    this.#x509Bundles = shared(this.#fetch('SubscribeToX509Bundles'));
    this.#jwtBundles = shared(this.#fetch('SubscribeToJWTBundles'));
  }

  /** @throws Error for a pod: this API knows processes alone */
  workload(name: WorkloadName): WorkloadApi {
    if (name.kind !== 'pid') throw new Error('the Delegated Identity API knows no pods');
    const { pid } = name;
    const svids = this.#fetch<SubscribeToX509SVIDsResponse>('SubscribeToX509SVIDs', { pid });
    return {
      address: formatEndpoint(this.#endpoint),
      fetchX509Svid: joined(svids, this.#x509Bundles, X509_SVIDS),
      fetchX509Bundles: BUNDLES_COME_WITH_SVIDS,
      fetchJwtSvid: ({ audience, spiffe_id }) =>
        mapped(this.#fetch<FetchJWTSVIDsResponse>('FetchJWTSVIDs', { audience, pid }), (answer) =>
          jwtSvidResponse(answer, spiffe_id),
        ),
      fetchJwtBundles: joined(svids, this.#jwtBundles, JWT_BUNDLES),
      verdictOf: delegatedVerdictOf,
    };
  }

  /** Closes the connection once the calls on it have ended. */
  [Symbol.dispose](): void {
    this.#leave(this.#connection);
  }

  #fetch<Message>(name: DelegatedMethod, request: object = {}): Fetch<Message> {
    const called = method<object, Message>(SERVICE, name);
    return (listener) => {
      this.#connection ??= new Connection(connectingClient(this.#endpoint, credentials.createInsecure()));
      const connection = this.#connection;
      return connection.open<object, Message>(called, request, undefined, {
        message: (message) => listener.message(message),
        end: (code, details) => {
          // The agent says UNAVAILABLE of a process, too, on a connection that stands.
          const isLost = code === status.UNAVAILABLE && !connection.isUp;
          // What comes next shall find a socket that was replaced.
          if (isLost) this.#leave(connection);
          listener.end(code, isLost ? whyUnreachable(this.#endpoint, details) : details);
        },
      });
    };
  }

  #leave(connection: Connection | undefined): void {
    if (this.#connection === connection) this.#connection = undefined;
    connection?.leave();
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
