/** The calls of the Workload API over gRPC: each one told to a listener. Retries, deadlines and meaning are those of who calls. */
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

/** A bundle of many federated trust domains can be large; grpc-js would stop at 4 MiB. */
const MAX_MESSAGE_BYTES = 64 * 1024 * 1024;

export interface FetchListener<Message> {
  message(message: Message): void;
  /** Called once, unless the fetch was cancelled. */
  end(code: status, details: string): void;
}

/** Opens a stream; the function that it returns cancels it. */
export type Fetch<Message> = (listener: FetchListener<Message>) => () => void;

/**
 * Each fetch has a connection of its own: an address whose socket was replaced is connected anew, and a failed attempt leaves no
 * backoff of grpc-js's behind.
 */
export function fetchX509Svid(endpoint: Endpoint): Fetch<X509SVIDResponse> {
  return fetchStream(endpoint, 'FetchX509SVID');
}

/** The bundles alone, also for a workload that has no SVID. */
export function fetchX509Bundles(endpoint: Endpoint): Fetch<X509BundlesResponse> {
  return fetchStream(endpoint, 'FetchX509Bundles');
}

/** The JWT keys of all trust domains. */
export function fetchJwtBundles(endpoint: Endpoint): Fetch<JWTBundlesResponse> {
  return fetchStream(endpoint, 'FetchJWTBundles');
}

export type FetchJwtSvid = (request: JWTSVIDRequest) => Fetch<JWTSVIDResponse>;

/** One message, then the end. */
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
    // Also for a call with one answer: on the wire it is a stream with one message.
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
 * No credentials, but connections that end with their client. grpc-js (1.14.7) forgets one on which the peer has not begun to speak
 * HTTP/2: each try with a silent peer would leave a file open.
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
