/** Something that is down for a while, and what came of it. */

/** What an outage did to the two Envoys. */
export interface Measured {
  /** Through both Envoys, each on a new mutual TLS connection, from before the outage until all is well again. */
  readonly requests: number;
  /** Anything but an answer with 200 within 5 s. */
  readonly lost: number;
  /** From the end of the outage until both Envoys have the newest certificate. Undefined: there was nothing new. */
  readonly caughtUpMs?: number;
  /** What else was measured, as a sentence. */
  readonly more?: string;
}

export interface Outage {
  /** What is down, and for how long. */
  readonly name: string;
  /** Who serves the Envoys: a sidecar for both, or node mode with an Envoy of each of two users. */
  readonly mode: 'sidecar' | 'node';
  /** Whether requests are lost, as they have to be. */
  readonly loses: boolean;
  run(): Promise<Measured>;
}

/** For a table: `7 ms`, `1.2 s`. */
export function duration(ms: number): string {
  return ms < 1_000 ? `${Math.round(ms)} ms` : `${(ms / 1_000).toFixed(1)} s`;
}
