/** HTTP/2 frames as bytes (RFC 9113, section 4.1), also those that no library would send. */

const FRAME_HEADER_BYTES = 9;
/** A literal header field without indexing, with a new name (RFC 7541, section 6.2.2). */
const LITERAL = 0x00;
/** The same, and the dynamic table keeps it (section 6.2.1). */
export const LITERAL_INDEXED = 0x40;
/** The newest entry of the dynamic table: the first after the 61 of the static one. */
export const NEWEST_ENTRY = Buffer.from([0x80 | 62]);

export const PREFACE = Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n');
export const FrameType = {
  DATA: 0,
  HEADERS: 1,
  PRIORITY: 2,
  RST_STREAM: 3,
  SETTINGS: 4,
  PING: 6,
  WINDOW_UPDATE: 8,
  CONTINUATION: 9,
} as const;
export const END_STREAM = 0x1;
export const END_HEADERS = 0x4;

export function http2Frame(type: number, flags: number, stream: number, payload: Buffer = Buffer.alloc(0)): Buffer {
  const header = Buffer.alloc(FRAME_HEADER_BYTES);
  header.writeUIntBE(payload.length, 0, 3);
  header.set([type, flags], 3);
  header.writeUInt32BE(stream, 5);
  return Buffer.concat([header, payload]);
}

/** What every sound connection begins with: the preface and empty SETTINGS. */
export const HELLO = Buffer.concat([PREFACE, http2Frame(FrameType.SETTINGS, 0, 0)]);

export function headerField(name: string, value: string, form = LITERAL): Buffer {
  return Buffer.concat([Buffer.from([form]), hpackString(name), hpackString(value)]);
}

/** The headers of a gRPC call. */
export function callHeaders(path: string): Buffer {
  const fields = {
    ':method': 'POST',
    ':scheme': 'http',
    ':path': path,
    ':authority': 'localhost',
    'content-type': 'application/grpc',
  };
  return Buffer.concat(Object.entries(fields).map(([name, value]) => headerField(name, value)));
}

/** RFC 7541, section 5.2, without Huffman's code. */
function hpackString(text: string): Buffer {
  const bytes = Buffer.from(text);
  const length = bytes.length < 127 ? [bytes.length] : [127, ...continued(bytes.length - 127)];
  return Buffer.concat([Buffer.from(length), bytes]);
}

function continued(rest: number): readonly number[] {
  return rest < 128 ? [rest] : [(rest % 128) | 128, ...continued(Math.floor(rest / 128))];
}
