/** How a call ends, and the headers and trailers that say it (gRPC over HTTP/2, "Responses"). */

/** gRPC, "Status codes". */
export const Status = {
  OK: 0,
  CANCELLED: 1,
  UNKNOWN: 2,
  INVALID_ARGUMENT: 3,
  DEADLINE_EXCEEDED: 4,
  NOT_FOUND: 5,
  PERMISSION_DENIED: 7,
  RESOURCE_EXHAUSTED: 8,
  UNIMPLEMENTED: 12,
  INTERNAL: 13,
  UNAVAILABLE: 14,
} as const;

/** A call that did not succeed. */
export interface Failure {
  readonly code: number;
  /** In words, to the client. */
  readonly details: string;
}

/** The headers of every response that is one. */
export const GRPC = { ':status': '200', 'content-type': 'application/grpc' };

/** Characters. A status travels in headers: a long one would cost the client its whole connection. */
const MAX_DETAILS = 4_096;

/** @returns `grpc-status`, and `grpc-message` unless it is OK */
export function trailersOf(code: number, details: string): Record<string, string> {
  const status = { 'grpc-status': String(code) };
  return code === Status.OK || details === '' ? status : { ...status, 'grpc-message': percentEncoded(details) };
}

/** Printable ASCII stands for itself, but for "%"; the bytes of all else as UTF-8 (gRPC over HTTP/2, Percent-Encoded). */
function percentEncoded(text: string): string {
  return text
    .slice(0, MAX_DETAILS)
    .toWellFormed()
    .replace(/[^\x20-\x24\x26-\x7e]+/g, (others) =>
      Buffer.from(others)
        .toString('hex')
        .toUpperCase()
        .replace(/../g, (byte) => `%${byte}`),
    );
}
