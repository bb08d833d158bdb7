/** gRPC messages framed by hand, so that a client costs little more than node:http2 itself. */

const HEADER_BYTES = 5;
const SECRET_TYPE_URL = 'type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.Secret';
/** The two ways to ask for secrets: envoy.service.discovery.v3.DiscoveryRequest and DeltaDiscoveryRequest. */
export type Protocol = 'sotw' | 'delta';
const REQUEST = {
  sotw: { node: 2, resourceNames: 3, typeUrl: 4, responseNonce: 5 },
  delta: { node: 1, resourceNames: 3, typeUrl: 2, responseNonce: 6 },
} as const;
/** Below them, envoy.config.core.v3.Node and Extension. */
const NODE = { id: 1, cluster: 2, userAgentName: 6, extensions: 9 } as const;
const EXTENSION = { name: 1, category: 2, typeUrls: 6 } as const;
/** envoy.service.discovery.v3.DiscoveryResponse and DeltaDiscoveryResponse */
const RESPONSE_NONCE = 5;
const LENGTH_DELIMITED = 2;

/** A message with its gRPC header, uncompressed. */
export function frame(message: Buffer): Buffer {
  const header = Buffer.alloc(HEADER_BYTES);
  header.writeUInt32BE(message.length, 1);
  return Buffer.concat([header, message]);
}

/** Cuts what comes in into messages, wherever the chunks end. */
export function messageReader(onMessage: (message: Buffer) => void): (chunk: Buffer) => void {
  let rest: Buffer | undefined;
  return (chunk) => {
    let bytes = rest === undefined ? chunk : Buffer.concat([rest, chunk]);
    while (bytes.length >= HEADER_BYTES) {
      const end = HEADER_BYTES + bytes.readUInt32BE(1);
      if (bytes.length < end) break;
      onMessage(bytes.subarray(HEADER_BYTES, end));
      bytes = bytes.subarray(end);
    }
    rest = bytes.length === 0 ? undefined : bytes;
  };
}

/**
 * The first request of a stream, framed.
 * @param extensions how many the node lists; Envoy 1.40 lists some 500, which makes 60 KB
 */
export function subscription(name: string, extensions: number, protocol: Protocol = 'sotw'): Buffer {
  const request = REQUEST[protocol];
  const listed = Array.from({ length: extensions }, (_, index) =>
    field(
      NODE.extensions,
      field(EXTENSION.name, Buffer.from(`envoy.filters.http.extension_${index}`)),
      field(EXTENSION.category, Buffer.from('envoy.filters.http')),
      field(EXTENSION.typeUrls, Buffer.from(`envoy.extensions.filters.http.extension_${index}.v3.Extension`)),
    ),
  );
  return frame(
    Buffer.concat([
      field(
        request.node,
        field(NODE.id, Buffer.from('bench')),
        field(NODE.cluster, Buffer.from('bench')),
        field(NODE.userAgentName, Buffer.from('envoy')),
        ...listed,
      ),
      field(request.resourceNames, Buffer.from(name)),
      field(request.typeUrl, Buffer.from(SECRET_TYPE_URL)),
    ]),
  );
}

/** The ACK of a response, framed, as small as Envoy sends it with set_node_on_first_message_only. */
export function acknowledgement(name: string, response: Buffer, protocol: Protocol = 'sotw'): Buffer {
  const request = REQUEST[protocol];
  return frame(
    Buffer.concat([
      ...(protocol === 'sotw' ? [field(request.resourceNames, Buffer.from(name))] : []),
      field(request.typeUrl, Buffer.from(SECRET_TYPE_URL)),
      field(request.responseNonce, nonceOf(response)),
    ]),
  );
}

function nonceOf(response: Buffer): Buffer {
  for (let at = 0; at < response.length; ) {
    const { value: tag, end: lengthAt } = readVarint(response, at);
    const { value: length, end: start } = readVarint(response, lengthAt);
    if (tag === ((RESPONSE_NONCE << 3) | LENGTH_DELIMITED)) return response.subarray(start, start + length);
    at = start + length;
  }
  return Buffer.alloc(0);
}

function readVarint(bytes: Buffer, start: number): { readonly value: number; readonly end: number } {
  let value = 0;
  for (let at = start, shift = 0; ; at++, shift += 7) {
    const byte = bytes.readUInt8(at);
    value |= (byte & 0x7f) << shift;
    if (byte < 0x80) return { value, end: at + 1 };
  }
}

function field(number: number, ...parts: readonly Buffer[]): Buffer {
  const head = [(number << 3) | LENGTH_DELIMITED];
  let length = parts.reduce((sum, part) => sum + part.length, 0);
  for (; length > 0x7f; length >>>= 7) head.push((length & 0x7f) | 0x80);
  head.push(length);
  return Buffer.concat([Buffer.from(head), ...parts]);
}
