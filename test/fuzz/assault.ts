/** Some attacks at once, until the sidecar has dealt with all of them. */
import { once } from 'node:events';
import { type ClientHttp2Session, connect } from 'node:http2';
import { createConnection, type Socket } from 'node:net';
import { SECRET_TYPE_URL } from '../../src/secrets/secret.ts';
import { encode } from '../../src/wire/wire.ts';
import { type Attack, FETCH, grpcFrame } from './attacks.ts';

const HONEST = grpcFrame(
  encode('envoy.service.discovery.v3.DiscoveryRequest', { type_url: SECRET_TYPE_URL, resource_names: ['default'] }),
);

/** Resolves when a request that came after all of them was answered, on a connection of the attackers and on one of its own. */
export async function assault(socket: string, attacks: readonly Attack[]): Promise<void> {
  const session = open(socket);
  const strangers: Socket[] = [];
  for (const attack of attacks) {
    if (attack.kind === 'call') call(session, attack.path, attack.frames, attack.halfClose);
    else strangers.push(speak(socket, attack.bytes));
  }
  const gone = new Promise((resolve) => session.once('close', resolve));
  await Promise.race([answered(session).catch(() => gone), gone]);
  const honest = open(socket);
  await answered(honest);
  honest.destroy();
  session.destroy();
  for (const stranger of strangers) stranger.destroy();
}

function open(socket: string): ClientHttp2Session {
  const session = connect('http://localhost', { createConnection: () => createConnection(socket) });
  session.on('error', () => undefined);
  return session.setMaxListeners(0);
}

function call(session: ClientHttp2Session, path: string, frames: readonly Buffer[], halfClose: boolean) {
  const headers = { ':method': 'POST', ':path': path, 'content-type': 'application/grpc', te: 'trailers' };
  const stream = session.request(headers, { endStream: false });
  stream.on('error', () => undefined).resume();
  for (const frame of frames) stream.write(frame);
  if (halfClose) stream.end();
  return stream;
}

async function answered(session: ClientHttp2Session): Promise<void> {
  const stream = call(session, FETCH, [HONEST], true);
  const [headers] = (await once(stream, 'response')) as [{ readonly 'grpc-status'?: string }];
  if ((headers['grpc-status'] ?? '0') !== '0') throw new Error(`an honest request was refused: ${JSON.stringify(headers)}`);
}

function speak(socket: string, bytes: Buffer): Socket {
  const stranger = createConnection(socket);
  stranger.on('error', () => undefined).resume();
  stranger.write(bytes);
  return stranger;
}
