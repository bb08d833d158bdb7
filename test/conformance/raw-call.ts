/** One message over bare HTTP/2: what a gRPC library would hide. */
import { once } from 'node:events';
import { connect, type IncomingHttpHeaders } from 'node:http2';
import { createConnection } from 'node:net';
import { SECRET_TYPE_URL } from '../../src/secrets/secret.ts';
import { encode } from '../../src/wire/wire.ts';

export interface RawAnswer {
  readonly headers: IncomingHttpHeaders;
  readonly compressed: boolean;
  readonly message: Buffer;
}

const SERVICE = '/envoy.service.secret.v3.SecretDiscoveryService';
const ENCODINGS = 'gzip,deflate,identity';

export const sotwRequest = (name: string): Buffer =>
  encode('envoy.service.discovery.v3.DiscoveryRequest', { type_url: SECRET_TYPE_URL, resource_names: [name] });
export const deltaRequest = (name: string): Buffer =>
  encode('envoy.service.discovery.v3.DeltaDiscoveryRequest', {
    type_url: SECRET_TYPE_URL,
    resource_names_subscribe: [name],
  });

/** The first response on a stream whose client takes compressed messages. */
export async function rawCall(socket: string, method: string, request: Buffer): Promise<RawAnswer> {
  const session = connect('http://localhost', { createConnection: () => createConnection(socket) });
  // The call fails with it.
  session.on('error', () => undefined);
  try {
    const path = `${SERVICE}/${method}`;
    const call = session.request({
      ':method': 'POST',
      ':path': path,
      'content-type': 'application/grpc',
      'grpc-accept-encoding': ENCODINGS,
      te: 'trailers',
    });
    const responded = once(call, 'response') as Promise<[IncomingHttpHeaders]>;
    call.write(Buffer.concat([lengthPrefix(request), request]));
    const [headers] = await responded;
    let bytes = Buffer.alloc(0);
    while (bytes.length < 5 || bytes.length < 5 + bytes.readUInt32BE(1)) {
      const [chunk] = (await once(call, 'data')) as [Buffer];
      bytes = Buffer.concat([bytes, chunk]);
    }
    return { headers, compressed: bytes[0] !== 0, message: bytes.subarray(5, 5 + bytes.readUInt32BE(1)) };
  } finally {
    session.destroy();
  }
}

function lengthPrefix({ length }: Buffer): Buffer {
  const prefix = Buffer.alloc(5);
  prefix.writeUInt32BE(length, 1);
  return prefix;
}
