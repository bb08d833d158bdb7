/** Calls the Workload API over gRPC. Each call reports to a listener; the caller decides on retries, deadlines and the meaning of errors. */
import type { Socket } from 'node:net';
import { type ChannelCredentials, Client, credentials, Metadata, status } from '@grpc/grpc-js';
import { type Endpoint, grpcTarget } from '../endpoint.ts';
import type {
  JWTBundlesResponse,
  JWTSVIDRequest,
  JWTSVIDResponse,
  X509BundlesResponse,
  X509SVIDResponse,
} from '../gen/messages.ts';
import { whyUnreachable } from '../unreachable.ts';
import { method } from '../wire/wire.ts';

/** The default limit of grpc-js is 4 MiB, which is too small for the bundles of many federated trust domains. */
const MAX_MESSAGE_BYTES = 64 * 1024 * 1024;

/** Receives the messages and the end of one call. */
export interface FetchListener<Message> {
  message(message: Message): void;
  /** Called once, unless the fetch was cancelled. */
  end(code: status, details: string): void;
}

/** Opens a stream and returns a function that cancels it. */
export type Fetch<Message> = (listener: FetchListener<Message>) => () => void;

/**
 * FetchX509SVID (Workload API specification, section 5.2.1). Each fetch opens its own connection, so it finds a socket that was replaced,
 * and the backoff of grpc-js does not delay the next attempt.
 */
export function fetchX509Svid(endpoint: Endpoint): Fetch<X509SVIDResponse> {
  return fetchStream(endpoint, 'FetchX509SVID');
}

/** FetchX509Bundles (section 5.2.2): the bundles without SVIDs, also for a workload that has no SVID. */
export function fetchX509Bundles(endpoint: Endpoint): Fetch<X509BundlesResponse> {
  return fetchStream(endpoint, 'FetchX509Bundles');
}

/** FetchJWTBundles (section 6.2.2): the JWT keys of all trust domains. */
export function fetchJwtBundles(endpoint: Endpoint): Fetch<JWTBundlesResponse> {
  return fetchStream(endpoint, 'FetchJWTBundles');
}

/** Makes the fetch for one request. */
export type FetchJwtSvid = (request: JWTSVIDRequest) => Fetch<JWTSVIDResponse>;

/** FetchJWTSVID (section 6.2.1): the listener gets one message, then the end. */
export function fetchJwtSvid(endpoint: Endpoint): FetchJwtSvid {
  return (request) => fetchStream(endpoint, 'FetchJWTSVID', request);
}

function fetchStream<Message>(
  endpoint: Endpoint,
  name: 'FetchX509SVID' | 'FetchX509Bundles' | 'FetchJWTBundles' | 'FetchJWTSVID',
  request: object = {},
): Fetch<Message> {
  const { path, requestSerialize, responseDeserialize } = method<object, Message>('SpiffeWorkloadAPI', name);
  return (listener) => {
    const client = new Client(grpcTarget(endpoint), closingCredentials(), {
      'grpc.enable_channelz': 0,
      'grpc.enable_retries': 0,
      'grpc.service_config_disable_resolution': 1,
      'grpc.use_local_subchannel_pool': 1,
      'grpc.max_receive_message_length': MAX_MESSAGE_BYTES,
    });
    const metadata = new Metadata();
    metadata.set('workload.spiffe.io', 'true');
    // FetchJWTSVID is unary. In gRPC over HTTP/2, that is a stream with one message.
    const call = client.makeServerStreamRequest(path, requestSerialize, responseDeserialize, request, metadata);
    let open = true;
    const end = (code: status, details: string) => {
      if (!open) return;
      open = false;
      client.close();
      listener.end(code, code === status.UNAVAILABLE ? whyUnreachable(endpoint, details) : details);
    };
    call.on('data', (message: Message) => open && listener.message(message));
    call.on('error', (error: Error & { code?: status; details?: string }) =>
      end(error.code ?? status.UNKNOWN, error.details ?? error.message),
    );
    call.on('status', ({ code, details }) => end(code, details));
    return () => {
      open = false;
      call.cancel();
      client.close();
    };
  };
}

/**
 * Insecure credentials whose connections close together with their client. grpc-js (1.14.7) does not close a connection on which the peer
 * has not sent its HTTP/2 preface, so each attempt with a silent peer would leak a file descriptor.
 */
function closingCredentials(): ChannelCredentials {
  const insecure = credentials.createInsecure();
  const createConnector = insecure._createSecureConnector.bind(insecure);
  insecure._createSecureConnector = (...args) => {
    const connector = createConnector(...args);
    let connection: Socket | undefined;
    let closed = false;
    return {
      ...connector,
      connect(socket) {
        connection = socket;
        if (closed) socket.destroy();
        return connector.connect(socket);
      },
      destroy() {
        closed = true;
        connection?.destroy();
      },
    };
  };
  return insecure;
}
