/** A call of any method with bytes for a message: what no client that encodes would send. */
import { Client, type ClientDuplexStream, credentials, Metadata, status } from '@grpc/grpc-js';

export interface ByteCall {
  readonly code: string;
  readonly details: string;
  /** Messages that came before. */
  readonly responses: number;
}

const asIs = (bytes: Buffer): Buffer => bytes;

/**
 * Sends one message, ends its side and waits until the server ends the call.
 * @param method `/package.Service/Method`
 */
export function callWithBytes(socket: string, method: string, bytes: Uint8Array): Promise<ByteCall> {
  const client = new Client(`unix:${socket}`, credentials.createInsecure(), { 'grpc.use_local_subchannel_pool': 1 });
  const metadata = new Metadata();
  metadata.set('workload.spiffe.io', 'true');
  const call: ClientDuplexStream<Buffer, Buffer> = client.makeBidiStreamRequest(method, asIs, asIs, metadata);
  let responses = 0;
  call.on('data', () => responses++);
  call.on('error', () => undefined);
  call.end(Buffer.from(bytes));
  return new Promise((resolve) => {
    call.on('status', ({ code, details }) => {
      client.close();
      resolve({ code: status[code], details, responses });
    });
  });
}
