/** What the headers of a request say (gRPC over HTTP/2, "Requests"), and the answer to those that begin no call. */
import type { IncomingHttpHeaders } from 'node:http2';
import type { Method } from './call.ts';
import { GRPC, Status, trailersOf } from './status.ts';

export type RequestHead =
  | {
      readonly kind: 'call';
      readonly method: Method;
      /** Undefined: without limit. */
      readonly timeoutMs: number | undefined;
    }
  | { readonly kind: 'refused' /** Of the whole answer. */; readonly headers: Readonly<Record<string, string>> };

const CONTENT_TYPE = /^application\/grpc(\+proto)?(?=;|$)/;
const TIMEOUT = /^(\d{1,8})([HMSmun])$/;
const UNIT_MS: Readonly<Record<string, number>> = { H: 3_600_000, M: 60_000, S: 1_000, m: 1, u: 1e-3, n: 1e-6 };

/** Characters. A host name has 253 at most. */
const MAX_AUTHORITY = 512;
/** Characters that are said of a path that is not known. */
const MAX_PATH = 256;

/** @param methods by path */
export function readHead(headers: IncomingHttpHeaders, methods: ReadonlyMap<string, Method>): RequestHead {
  // Not a gRPC request: its sender would not understand a gRPC status.
  if (headers[':method'] !== 'POST') return { kind: 'refused', headers: { ':status': '405', allow: 'POST' } };
  if (!CONTENT_TYPE.test(headers['content-type'] ?? '')) return { kind: 'refused', headers: { ':status': '415' } };
  // node:http2 keeps these two with the stream.
  if ((headers[':authority'] ?? '').length + (headers[':scheme'] ?? '').length > MAX_AUTHORITY) {
    return { kind: 'refused', headers: { ':status': '400' } };
  }
  const encoding = headers['grpc-encoding'] ?? 'identity';
  if (encoding !== 'identity') {
    const { headers: refusal } = refused(Status.UNIMPLEMENTED, `grpc-encoding ${encoding} is not supported`);
    return { kind: 'refused', headers: { ...refusal, 'grpc-accept-encoding': 'identity' } };
  }
  const path = headers[':path'] ?? '';
  const method = methods.get(path);
  if (method === undefined) return refused(Status.UNIMPLEMENTED, `there is no method ${path.slice(0, MAX_PATH)} here`);
  const timeout = headers['grpc-timeout'];
  if (timeout === undefined) return { kind: 'call', method, timeoutMs: undefined };
  const [, amount, unit = ''] = TIMEOUT.exec(String(timeout)) ?? [];
  if (amount === undefined) return refused(Status.INTERNAL, `grpc-timeout ${String(timeout)} is malformed`);
  return { kind: 'call', method, timeoutMs: Number(amount) * (UNIT_MS[unit] ?? 0) };
}

function refused(code: number, details: string): RequestHead & { readonly kind: 'refused' } {
  return { kind: 'refused', headers: { ...GRPC, ...trailersOf(code, details) } };
}
