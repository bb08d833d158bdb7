/** What one peer may use of this process. Beyond a limit its stream ends, or its connection; other peers do not notice. */

export interface GrpcLimits {
  /**
   * When there are as many, the oldest without a stream makes room; if each has one, the newest of a user who has more than the one who
   * comes; else the new one is closed at once. See room.ts.
   */
  readonly maxConnections: number;
  /** HTTP/2's SETTINGS_MAX_CONCURRENT_STREAMS: a client waits, or its stream is refused. */
  readonly maxStreamsPerConnection: number;
  /** A larger message ends its stream with RESOURCE_EXHAUSTED. An Envoy's first request carries its node: some 60 KB. */
  readonly maxRequestBytes: number;
  /**
   * Of messages that are not whole yet; one more byte ends the stream that it came on with RESOURCE_EXHAUSTED. A client that opens a
   * thousand streams at once sends one request after the other: HTTP/2's window for a connection holds one of an Envoy.
   */
  readonly partialBytesPerConnection: number;
  /** The same of all connections together; past it the connection that has most of them ends. */
  readonly partialBytes: number;
  /** Of messages that its peer does not read; past it the connection ends. What many streams share counts once, one message passes. */
  readonly unsentBytesPerConnection: number;
  /** The same of all connections together; past it the connection that has most of them ends. */
  readonly unsentBytes: number;
  /** Of the headers of one call, as HTTP/2 counts them; more end the stream, or the connection of a peer that does not heed SETTINGS. */
  readonly headerBytes: number;
  /**
   * Calls that a connection may begin a second, after as many as it may have open at once, with a kilobyte of headers each on the average;
   * past it the connection ends. The connections of one user may together begin as many as `USER_CONNECTIONS` of them.
   */
  readonly callsPerSecond: number;
  /** Calls a second that we answer or refuse, and end, after twenty times as many; past it as above. An Envoy keeps its calls open. */
  readonly endedPerSecond: number;
  /** Open calls of all connections, some 7 KB each; past it the connection that has most of them ends. */
  readonly maxCalls: number;
  /** PING and SETTINGS frames a second, after ten times as many at once; past it the connection ends. */
  readonly controlFramesPerSecond: number;
  /** Milliseconds until HTTP/2's preface and SETTINGS must be here. */
  readonly handshakeMs: number;
}

/** As many connections a user can use up at the same time. */
export const USER_CONNECTIONS = 4;

const MIB = 1024 * 1024;

export const DEFAULT_LIMITS: GrpcLimits = {
  maxConnections: 64,
  maxStreamsPerConnection: 16_384,
  maxRequestBytes: MIB,
  partialBytesPerConnection: 8 * MIB,
  partialBytes: 32 * MIB,
  unsentBytesPerConnection: 64 * MIB,
  unsentBytes: 128 * MIB,
  headerBytes: 8 * 1024,
  callsPerSecond: 1_000,
  endedPerSecond: 50,
  maxCalls: 4 * 16_384,
  controlFramesPerSecond: 1_000,
  handshakeMs: 5_000,
};

/** The same for requests of another size: two of them fit into what a connection may have that is not whole. */
export function withRequestBytes(limits: GrpcLimits, maxRequestBytes: number): GrpcLimits {
  const partialBytesPerConnection = Math.max(limits.partialBytesPerConnection, 2 * maxRequestBytes);
  const partialBytes = Math.max(limits.partialBytes, 2 * partialBytesPerConnection);
  return { ...limits, maxRequestBytes, partialBytesPerConnection, partialBytes };
}
