/**
 * Asks a SPIFFE broker what other workloads may have (Broker API and Broker Endpoint specifications). Both ends show X509-SVIDs: ours comes
 * from the Workload API. All calls share one connection. A new SVID of ours, or a connection that fails, makes a new one for the calls that
 * come later; those that are open stay on theirs, which closes with the last of them.
 */
import { type ChannelCredentials, credentials, status } from '@grpc/grpc-js';
import { type Endpoint, formatEndpoint } from '../endpoint.ts';
import { type TrustDomain, trustDomainOf } from '../spiffe/spiffe-id.ts';
import { pemEncode } from '../spiffe/x509/pem.ts';
import type { X509Context, X509Svid } from '../spiffe/x509-context.ts';
import { whyUnreachable } from '../unreachable.ts';
import { method } from '../wire/wire.ts';
import { connectingClient, type Fetch, type FetchListener } from '../workload-api/stream-call.ts';
import { type WorkloadApi, wipeKeys } from '../workload-api/workload-api.ts';
import { Connection } from './connection.ts';
import { referenceTo, type WorkloadName } from './reference.ts';
import { defaultServerId, serverProblem } from './server-identity.ts';
import { verdictOf } from './verdict.ts';
import type { WorkloadSource } from './workload-source.ts';

export interface BrokerClientOptions {
  readonly endpoint: Endpoint;
  /** The pattern of the broker's SPIFFE ID; default: any agent of SPIRE in our own trust domain. */
  readonly serverId?: string | undefined;
  /** Our own identities and bundles, as they are now: the first SVID is shown to the broker. */
  readonly own: () => X509Context;
}

type BrokerMethod = 'SubscribeToX509SVID' | 'SubscribeToX509Bundles' | 'FetchJWTSVID' | 'SubscribeToJWTBundles';

/** A connection to what proved to be the broker. */
interface BrokerConnection {
  readonly connection: Connection;
  /** What it was made with. */
  readonly svid: X509Svid;
  readonly authorities: readonly unknown[];
  /** Why its last handshake failed, as far as we know. */
  problem: string | undefined;
}

const NO_IDENTITY = 'spiffe-sds has no identity of its own yet, or no bundle to know the broker by: see its own Workload API';

/** One broker, and what it says of workloads. */
export class BrokerClient implements WorkloadSource {
  readonly #options: BrokerClientOptions;
  #connected: BrokerConnection | undefined;

  constructor(options: BrokerClientOptions) {
    this.#options = options;
  }

  workload(name: WorkloadName): WorkloadApi {
    const reference = referenceTo(name);
    return {
      address: formatEndpoint(this.#options.endpoint),
      fetchX509Svid: this.#fetch('SubscribeToX509SVID', { reference }),
      wipe: wipeKeys,
      fetchX509Bundles: this.#fetch('SubscribeToX509Bundles', { reference }),
      fetchJwtSvid: (request) => this.#fetch('FetchJWTSVID', { ...request, reference }),
      fetchJwtBundles: this.#fetch('SubscribeToJWTBundles', { reference }),
      verdictOf,
    };
  }

  /** Closes the connection once the calls on it have ended. */
  [Symbol.dispose](): void {
    this.#leave(this.#connected);
  }

  #fetch<Message>(name: BrokerMethod, request: object): Fetch<Message> {
    const called = method<object, Message>('spiffe.broker.API', name);
    return (listener) => {
      const connected = this.#connect();
      if (connected === undefined) return failLater(listener, NO_IDENTITY);
      return connected.connection.open<object, Message>(called, request, 'broker.spiffe.io', {
        message: (message) => listener.message(message),
        end: (code, details) => {
          // What comes next shall find a socket that was replaced, and show a newer SVID.
          if (code === status.UNAVAILABLE || code === status.UNAUTHENTICATED) this.#leave(connected);
          listener.end(code, code === status.UNAVAILABLE ? this.#why(connected, details) : details);
        },
      });
    };
  }

  #why({ problem }: BrokerConnection, details: string): string {
    return problem === undefined ? whyUnreachable(this.#options.endpoint, details) : `this is not the broker: ${problem}`;
  }

  /** The connection for a new call; undefined while we have no identity to show, or no bundle of the broker's trust domain. */
  #connect(): BrokerConnection | undefined {
    const own = this.#options.own();
    const [svid] = own.svids;
    if (svid === undefined) return undefined;
    const trustDomain = this.#trustDomain(svid);
    const authorities = own.bundles.get(trustDomain)?.authorities;
    if (authorities === undefined) return undefined;
    const known = this.#connected;
    if (known !== undefined && known.svid === svid && known.authorities === authorities) return known;
    this.#leave(known);
    const check = (certificate: Uint8Array) =>
      serverProblem(certificate, this.#options.serverId ?? defaultServerId(trustDomain), trustDomain);
    const client = connectingClient(
      this.#options.endpoint,
      mutualTls(svid, authorities, (certificate) => {
        connected.problem = check(certificate);
        return connected.problem;
      }),
    );
    const connected: BrokerConnection = { connection: new Connection(client), svid, authorities, problem: undefined };
    this.#connected = connected;
    return connected;
  }

  /** Of the pattern that was configured, whose trust domain is literal; else our own. */
  #trustDomain(svid: X509Svid): TrustDomain {
    const { serverId } = this.#options;
    return serverId === undefined ? trustDomainOf(svid.id) : (/^spiffe:\/\/([^/]*)/.exec(serverId)?.[1] as TrustDomain);
  }

  #leave(connected: BrokerConnection | undefined): void {
    if (this.#connected === connected) this.#connected = undefined;
    connected?.connection.leave();
  }
}

function mutualTls(
  { chain, privateKey }: X509Svid,
  authorities: X509Svid['authorities'],
  serverProblemOf: (certificate: Uint8Array) => string | undefined,
): ChannelCredentials {
  const pem = (certificates: readonly { readonly der: Uint8Array }[]) =>
    pemEncode(
      'CERTIFICATE',
      certificates.map(({ der }) => der),
    );
  return credentials.createSsl(pem(authorities), pemEncode('PRIVATE KEY', [privateKey]), pem(chain), {
    // Instead of the host name, which says nothing here.
    checkServerIdentity(_, { raw }) {
      const problem = serverProblemOf(raw);
      return problem === undefined ? undefined : new Error(problem);
    },
  });
}

/** As a call that failed: its listener is not called before the fetch has returned. */
function failLater<Message>(listener: FetchListener<Message>, details: string): () => void {
  let cancelled = false;
  queueMicrotask(() => {
    if (!cancelled) listener.end(status.UNAVAILABLE, details);
  });
  return () => {
    cancelled = true;
  };
}
