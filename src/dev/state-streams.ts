/** Streams that say what is served now, and say it again when that is something else. */
import type { Call } from '../server/grpc/call.ts';
import { type Failure, Status } from '../server/grpc/status.ts';
import { frameOf } from '../wire/frame.ts';
import type { WorkloadState } from './workload-state.ts';

interface StateStream {
  readonly call: Call;
  readonly kind: string;
  readonly encode: (state: WorkloadState) => Buffer;
  sent: Buffer | undefined;
}

export const SHUTTING_DOWN: Failure = { code: Status.UNAVAILABLE, details: 'the development agent is shutting down' };

export class StateStreams {
  readonly #streams = new Set<StateStream>();
  #state: WorkloadState | undefined;
  #draining = false;

  /** What is served now; undefined before the first. */
  get state(): WorkloadState | undefined {
    return this.#state;
  }

  get draining(): boolean {
    return this.#draining;
  }

  /** How many streams of this kind are open. */
  count(kind: string): number {
    return [...this.#streams].filter((stream) => stream.kind === kind).length;
  }

  /** @returns what is called once the call is over */
  open(call: Call, kind: string, encode: StateStream['encode']): () => void {
    const stream: StateStream = { call, kind, encode, sent: undefined };
    this.#streams.add(stream);
    this.#push(stream);
    return () => this.#streams.delete(stream);
  }

  /** Serves this from now on. */
  publish(state: WorkloadState): void {
    this.#state = state;
    for (const stream of this.#streams) this.#push(stream);
  }

  drain(): void {
    this.#draining = true;
    this.endAll(SHUTTING_DOWN);
  }

  endAll({ code, details }: Failure): void {
    for (const { call } of [...this.#streams]) call.end(code, details);
  }

  #push(stream: StateStream): void {
    if (this.#state === undefined) return;
    const message = stream.encode(this.#state);
    if (stream.sent?.equals(message) === true) return;
    stream.sent = message;
    stream.call.send(frameOf(message));
  }
}
