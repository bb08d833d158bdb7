/** gRPC over HTTP/2 itself, whatever the messages say. Rules of https://github.com/grpc/grpc/blob/master/doc/PROTOCOL-HTTP2.md */
import { once } from 'node:events';
import { type ClientHttp2Session, connect, type IncomingHttpHeaders, type OutgoingHttpHeaders } from 'node:http2';
import { createConnection } from 'node:net';
import { expect } from 'vitest';
import { sotwRequest } from '../raw-call.ts';
import type { Row } from '../row.ts';

const SDS = '/envoy.service.secret.v3.SecretDiscoveryService';
const REQUEST = { ':method': 'POST', ':path': `${SDS}/FetchSecrets`, 'content-type': 'application/grpc', te: 'trailers' };
const STREAM = { ':path': `${SDS}/StreamSecrets` };

interface Answer {
  readonly headers: IncomingHttpHeaders;
  readonly trailers: IncomingHttpHeaders | undefined;
  readonly body: Buffer;
  /** Of RST_STREAM; 0: NO_ERROR, or none was sent. */
  readonly reset: number;
}

/** A call, with the headers of a good one where it says nothing else, until the server has closed its stream. */
async function answerTo(
  session: ClientHttp2Session,
  headers: OutgoingHttpHeaders,
  body: Buffer | undefined,
  halfClose = true,
): Promise<Answer> {
  const call = session.request({ ...REQUEST, ...headers }, { endStream: false });
  const chunks: Buffer[] = [];
  let answered: IncomingHttpHeaders = {};
  let trailers: IncomingHttpHeaders | undefined;
  call.on('error', () => undefined);
  call.on('response', (came) => {
    answered = came;
  });
  call.on('trailers', (came) => {
    trailers = came;
  });
  call.on('data', (chunk: Buffer) => chunks.push(chunk));
  if (body !== undefined) call.write(body);
  if (halfClose) call.end();
  await once(call, 'close');
  return { headers: answered, trailers, body: Buffer.concat(chunks), reset: call.rstCode };
}

/** A message with its prefix. */
function framed(message: Buffer, flag = 0): Buffer {
  const prefix = Buffer.alloc(5);
  prefix[0] = flag;
  prefix.writeUInt32BE(message.length, 1);
  return Buffer.concat([prefix, message]);
}

interface Rule {
  readonly rule: string;
  readonly headers?: OutgoingHttpHeaders;
  readonly body?: (message: Buffer) => Buffer | undefined;
  readonly halfClose?: boolean;
  readonly expected: (answer: Answer) => void;
}

/** The status, in headers only when there is nothing else to say. */
const status =
  (code: number, details: string | RegExp = /./) =>
  ({ headers, trailers, body }: Answer) => {
    expect(headers).toMatchObject({ ':status': 200, 'content-type': expect.stringMatching(/^application\/grpc/) });
    expect({ ...headers, ...trailers }['grpc-status']).toBe(String(code));
    expect(decodeURIComponent(String({ ...headers, ...trailers }['grpc-message']))).toMatch(details);
    expect(body).toHaveLength(0);
  };
const succeeds = ({ headers, trailers, body }: Answer) => {
  expect(headers).toMatchObject({ ':status': 200, 'content-type': expect.stringMatching(/^application\/grpc/) });
  expect(trailers).toMatchObject({ 'grpc-status': '0' });
  expect(body.readUInt32BE(1)).toBe(body.length - 5);
};
const http = (code: number) => (answer: Answer) => {
  expect(answer.headers[':status']).toBe(code);
  expect(answer.headers['grpc-status']).toBeUndefined();
};

const RULES: readonly Rule[] = [
  { rule: 'a unary call has headers, one message, and its status in trailers', expected: succeeds },
  {
    rule: 'a content-type of gRPC with its message format is taken',
    headers: { 'content-type': 'application/grpc+proto' },
    expected: succeeds,
  },
  {
    rule: 'a content-type that is not of gRPC is HTTP 415',
    headers: { 'content-type': 'application/json' },
    expected: http(415),
  },
  { rule: 'a request without content-type is HTTP 415', headers: { 'content-type': undefined }, expected: http(415) },
  { rule: 'a request without te is served, as by other servers', headers: { te: undefined }, expected: succeeds },
  { rule: 'another method than POST is refused by HTTP', headers: { ':method': 'PUT' }, expected: http(405) },
  {
    rule: 'metadata that nobody knows changes nothing',
    headers: { 'x-trace-bin': 'AAEC', 'user-agent': 'x' },
    expected: succeeds,
  },
  { rule: 'a method that is not there is UNIMPLEMENTED', headers: { ':path': `${SDS}/Other` }, expected: status(12) },
  { rule: 'a service that is not there is UNIMPLEMENTED', headers: { ':path': '/a.B/C' }, expected: status(12) },
  { rule: 'grpc-encoding identity is none', headers: { 'grpc-encoding': 'identity' }, expected: succeeds },
  {
    rule: 'another grpc-encoding is UNIMPLEMENTED, and the answer says what is taken',
    headers: { 'grpc-encoding': 'gzip' },
    expected(answer) {
      status(12)(answer);
      expect(answer.headers['grpc-accept-encoding']).toBe('identity');
    },
  },
  {
    rule: 'a compressed message in a call without grpc-encoding is INTERNAL',
    body: (message) => framed(message, 1),
    expected: status(13),
  },
  { rule: 'a flag that there is not is INTERNAL', body: (message) => framed(message, 7), expected: status(13) },
  { rule: 'a message that is cut short is INTERNAL', body: (message) => framed(message).subarray(0, -1), expected: status(13) },
  { rule: 'a prefix that is cut short is INTERNAL', body: (message) => framed(message).subarray(0, 3), expected: status(13) },
  { rule: 'a unary call without a message is INTERNAL', body: () => undefined, expected: status(13) },
  {
    rule: 'a message that is too large is RESOURCE_EXHAUSTED before it is there',
    body: () => Buffer.from([0, 0x7f, 0xff, 0xff, 0xff]),
    halfClose: false,
    expected: status(8),
  },
  { rule: 'a timeout that is long enough changes nothing', headers: { 'grpc-timeout': '1H' }, expected: succeeds },
  { rule: 'a timeout that is malformed is INTERNAL', headers: { 'grpc-timeout': '1 hour' }, expected: status(13) },
  {
    rule: 'a stream ends with DEADLINE_EXCEEDED when its time is over',
    headers: { ...STREAM, 'grpc-timeout': '20m' },
    body: () => framed(sotwRequest('no-such-secret')),
    halfClose: false,
    expected: status(4),
  },
  {
    rule: 'grpc-message is percent-encoded',
    body: () => framed(sotwRequest('é\n%')),
    expected(answer) {
      status(5, /no secret named é\n%/)(answer);
      expect(String(answer.headers['grpc-message'])).toContain('%C3%A9%0A%25');
    },
  },
  {
    rule: 'a stream that its client ends, ends with OK',
    headers: STREAM,
    expected: ({ headers, trailers }) => expect((trailers ?? headers)['grpc-status']).toBe('0'),
  },
  {
    rule: 'a call whose client goes on sending is let go with NO_ERROR after its status',
    body: () => framed(sotwRequest('no-such-secret')),
    halfClose: false,
    expected(answer) {
      status(5)(answer);
      expect(answer.reset).toBe(0);
    },
  },
];

export const grpc: readonly Row[] = RULES.map(({ rule, headers = {}, body = framed, halfClose, expected }) => ({
  rule,
  fact: 35,
  needs: 'nothing',
  async run({ socket, cert }) {
    const session = connect('http://localhost', { createConnection: () => createConnection(socket) });
    session.on('error', () => undefined);
    try {
      expected(await answerTo(session, headers, body(sotwRequest(cert)), halfClose));
    } finally {
      session.destroy();
    }
  },
}));
