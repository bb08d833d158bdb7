/**
 * One question of grpc.health.v1, over bare HTTP/2: a health check is a process of its own every few seconds, and what grpc-js and the
 * messages take to load would be most of its cost.
 */
import { connect } from 'node:http2';
import { connect as connectSocket } from 'node:net';

/** grpc.health.v1.HealthCheckResponse.ServingStatus */
const SERVING = 1;
const PREFIX_BYTES = 5;
const FIELD_1_BYTES = 0x0a;

/**
 * Asks Check for a service of a short name.
 * @param path of the Unix socket
 * @returns whether it serves
 * @throws what is in the way
 */
export async function checkHealth(path: string, service: string, timeoutMs: number): Promise<boolean> {
  const socket = connectSocket(path);
  // The socket's own error says whether the socket exists; HTTP/2's error does not.
  const failure = Promise.withResolvers<never>();
  socket.once('error', failure.reject);
  const timer = setTimeout(() => failure.reject(new Error(`no answer within ${timeoutMs / 1000} s`)), timeoutMs);
  const session = connect('http://localhost', { createConnection: () => socket });
  session.once('error', failure.reject);
  session.once('close', () => failure.reject(new Error('it closed the connection')));
  try {
    return await Promise.race([failure.promise, ask()]);
  } finally {
    clearTimeout(timer);
    session.destroy();
  }

  async function ask(): Promise<boolean> {
    const stream = session.request({
      ':method': 'POST',
      ':path': '/grpc.health.v1.Health/Check',
      'content-type': 'application/grpc',
      te: 'trailers',
    });
    let status = '';
    stream.on('response', (headers) => {
      // An error without a message has its status here.
      status = String(headers['grpc-status'] ?? status);
    });
    stream.on('trailers', (trailers) => {
      status = String(trailers['grpc-status'] ?? status);
    });
    stream.end(frame(Buffer.from([FIELD_1_BYTES, service.length, ...Buffer.from(service)])));
    const answer = Buffer.concat(await stream.toArray());
    if (status !== '0') throw new Error(`it has no health service for ${service} (gRPC status ${status || 'missing'})`);
    const [, value] = answer.subarray(PREFIX_BYTES);
    return value === SERVING;
  }
}

/** gRPC's frame of a message: not compressed, its length, itself. */
function frame(message: Buffer): Buffer {
  const prefix = Buffer.alloc(PREFIX_BYTES);
  prefix.writeUInt32BE(message.length, 1);
  return Buffer.concat([prefix, message]);
}
