/**
 * What the machine can do: a bare HTTP/2 server on a Unix socket. A stream on /source is the upstream; what comes on it goes to every
 * other stream, as many in a turn of the event loop as the sidecar sends. A new one gets what came last, once its first message is whole.
 *
 * Usage: floor-server SOCKET ANSWER_BYTES
 */
import { createServer, type ServerHttp2Stream } from 'node:http2';
import process from 'node:process';
import { frame, messageReader } from './frames.ts';

const SLICE = 50;
const [socket, answerBytes] = process.argv.slice(2);
const sinks = new Set<ServerHttp2Stream>();
let newest = frame(Buffer.alloc(Number(answerBytes), 'x'));

const server = createServer({ maxSessionMemory: Number.MAX_SAFE_INTEGER, settings: { maxConcurrentStreams: 16_384 } });
server.on('stream', (stream, headers) => {
  stream.on('error', () => {});
  stream.respond({ ':status': 200, 'content-type': 'application/grpc' });
  stream.on('data', messageReader(headers[':path'] === '/source' ? relay : () => subscribe(stream)));
});
server.listen(socket);
process.once('SIGTERM', () => process.exit(0));

function subscribe(stream: ServerHttp2Stream): void {
  if (sinks.has(stream)) return;
  sinks.add(stream);
  stream.once('close', () => sinks.delete(stream));
  stream.write(newest);
}

function relay(message: Buffer): void {
  newest = frame(message);
  const pending = sinks.values();
  const slice = () => {
    for (let left = SLICE; left > 0; left--) {
      const next = pending.next();
      if (next.done) return;
      next.value.write(newest);
    }
    setImmediate(slice);
  };
  setImmediate(slice);
}
