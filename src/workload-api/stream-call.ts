/** One call with a stream of answers, and the gRPC client that it needs. */
import type { Socket } from 'node:net';
import { type ChannelCredentials, Client, Metadata, type MethodDefinition, status } from '@grpc/grpc-js';
import { type Endpoint, grpcTarget } from '../endpoint.ts';

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

/** A client with a connection of its own, which it opens at its first call. The caller decides on retries. */
export function connectingClient(endpoint: Endpoint, credentials: ChannelCredentials): Client {
  return new Client(grpcTarget(endpoint), closing(credentials), {
    'grpc.enable_channelz': 0,
    'grpc.enable_retries': 0,
    'grpc.service_config_disable_resolution': 1,
    'grpc.use_local_subchannel_pool': 1,
    'grpc.max_receive_message_length': MAX_MESSAGE_BYTES,
  });
}

/**
 * Opens a call and returns a function that cancels it. A unary method is called in the same way: in gRPC over HTTP/2 it is a stream with one
 * message.
 * @param header the metadata that the API wants to be `true`; undefined: it wants none
 */
export function openCall<Request, Message>(
  client: Client,
  { path, requestSerialize, responseDeserialize }: MethodDefinition<Request, Message>,
  request: Request,
  header: string | undefined,
  listener: FetchListener<Message>,
): () => void {
  const metadata = new Metadata();
  if (header !== undefined) metadata.set(header, 'true');
  const call = client.makeServerStreamRequest(path, requestSerialize, responseDeserialize, request, metadata);
  let open = true;
  const end = (code: status, details: string) => {
    if (!open) return;
    open = false;
    listener.end(code, details);
  };
  call.on('data', (message: Message) => open && listener.message(message));
  call.on('error', (error: Error & { code?: status; details?: string }) =>
    end(error.code ?? status.UNKNOWN, error.details ?? error.message),
  );
  call.on('status', ({ code, details }) => end(code, details));
  return () => {
    open = false;
    call.cancel();
  };
}

/**
 * The same credentials, whose connections close together with their client. grpc-js (1.14.7) does not close a connection on which the peer
 * has not sent its HTTP/2 preface, so each attempt with a silent peer would leak a file descriptor.
 */
function closing(credentials: ChannelCredentials): ChannelCredentials {
  const createConnector = credentials._createSecureConnector.bind(credentials);
  credentials._createSecureConnector = (...args) => {
    const connector = createConnector(...args);
    let connection: Socket | undefined;
    let closed = false;
    return {
      connect(socket) {
        connection = socket;
        if (closed) socket.destroy();
        return connector.connect(socket);
      },
      waitForReady: () => connector.waitForReady(),
      getCallCredentials: () => connector.getCallCredentials(),
      destroy() {
        closed = true;
        connection?.destroy();
        connector.destroy();
      },
    };
  };
  return credentials;
}
