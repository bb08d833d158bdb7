/** A `TraceRecorder` for a process: with random ids, and the trace of whoever started it. Imported only when traces are exported. */
import { randomBytes } from 'node:crypto';
import { pooledHex } from './random-hex.ts';
import { parseTraceparent } from './span.ts';
import { TraceRecorder, type TraceRecorderOptions } from './trace-recorder.ts';

/** What `openRecorder` needs beside what it makes itself. */
export interface OpenRecorderOptions extends Omit<TraceRecorderOptions, 'randomHex' | 'parent'> {
  /** The environment variable `TRACEPARENT`; `""` when there is none. Other text is ignored (W3C Trace Context, section 3.2). */
  readonly traceparent: string;
}

/** Makes a recorder whose ids come from the system's random numbers. */
export function openRecorder({ traceparent, ...options }: OpenRecorderOptions): TraceRecorder {
  return new TraceRecorder({ ...options, randomHex: pooledHex(randomBytes), parent: parseTraceparent(traceparent) });
}
