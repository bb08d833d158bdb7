/**
 * What a gRPC server alone costs: the same as the floor server, with our own server on node:http2, or with that of @grpc/grpc-js.
 *
 * Usage: bare-server own|grpc-js SOCKET ANSWER_BYTES
 */
import { createServer } from 'node:net';
import process from 'node:process';
import type { ServerDuplexStream } from '@grpc/grpc-js';
import type { Call, CallHandler } from '../../src/server/grpc/call.ts';
import { GrpcServer } from '../../src/server/grpc/grpc-server.ts';
import { Status } from '../../src/server/grpc/status.ts';
import { frameOf } from '../../src/wire/frame.ts';

const SLICE = 50;
const SINK = '/envoy.service.secret.v3.SecretDiscoveryService/StreamSecrets';
const SOURCE = '/source';
const [kind, socket = '', answerBytes] = process.argv.slice(2);
const answer: Buffer = Buffer.alloc(Number(answerBytes), 'x');
process.once('SIGTERM', () => process.exit(0));
if (kind === 'own') serveOwn();
else await serveGrpcJs();

function serveOwn(): void {
  const sinks = new Set<Call>();
  let newest = frameOf(answer);
  const sink = (call: Call): CallHandler => ({
    message() {
      if (sinks.has(call)) return;
      sinks.add(call);
      call.send(newest);
    },
    halfClosed: () => call.end(Status.OK, ''),
    closed: () => void sinks.delete(call),
  });
  const source = (call: Call): CallHandler => ({
    message(bytes) {
      newest = frameOf(bytes);
      inSlices(sinks, (other) => other.send(newest));
    },
    halfClosed: () => call.end(Status.OK, ''),
    closed() {},
  });
  const server = new GrpcServer([{ methods: { [SINK]: sink, [SOURCE]: source }, drain() {} }]);
  createServer((connection) => server.accept(connection)).listen(socket);
}

async function serveGrpcJs(): Promise<void> {
  const { Server, ServerCredentials } = await import('@grpc/grpc-js');
  const sinks = new Set<ServerDuplexStream<Buffer, Buffer>>();
  let newest: Buffer = answer;
  const asIs = (bytes: Buffer) => bytes;
  const definition = (path: string) => ({
    path,
    requestStream: true,
    responseStream: true,
    requestSerialize: asIs,
    requestDeserialize: asIs,
    responseSerialize: asIs,
    responseDeserialize: asIs,
  });
  const sink = (call: ServerDuplexStream<Buffer, Buffer>) => {
    call.on('data', () => {
      if (sinks.has(call)) return;
      sinks.add(call);
      call.write(newest);
    });
    call.on('cancelled', () => sinks.delete(call));
    call.on('error', () => undefined);
  };
  const source = (call: ServerDuplexStream<Buffer, Buffer>) => {
    call.on('data', (bytes: Buffer) => {
      newest = bytes;
      inSlices(sinks, (other) => other.write(newest));
    });
    call.on('error', () => undefined);
  };
  const server = new Server({ 'grpc.enable_channelz': 0, 'grpc.max_concurrent_streams': 16_384 });
  server.addService({ sink: definition(SINK), source: definition(SOURCE) }, { sink, source });
  await new Promise<void>((resolve, reject) => {
    server.bindAsync(`unix:${socket}`, ServerCredentials.createInsecure(), (error) => (error ? reject(error) : resolve()));
  });
}

/** As many in a turn of the event loop as the sidecar sends. */
function inSlices<T>(all: ReadonlySet<T>, send: (one: T) => unknown): void {
  const pending = all.values();
  const slice = () => {
    for (let left = SLICE; left > 0; left--) {
      const next = pending.next();
      if (next.done) return;
      send(next.value);
    }
    setImmediate(slice);
  };
  setImmediate(slice);
}
