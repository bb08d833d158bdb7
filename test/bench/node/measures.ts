/** What workloads cost: the same is measured of node mode with many, and of a sidecar with its one. */
import { setTimeout as delay } from 'node:timers/promises';
import { acknowledgement, subscription } from '../frames.ts';
import { Receipts } from '../receipts.ts';
import type { SdsConnection } from '../sds-connection.ts';
import type { Measured } from '../server-process.ts';
import { median } from '../statistics.ts';

/** A workload, as whoever asks for its secrets. */
export interface Asking {
  readonly connection: SdsConnection;
  readonly names: readonly string[];
}

export interface Rotating {
  /** Gives all workloads new SVIDs. */
  readonly rotate: () => void;
  readonly rotations: number;
}

/** Of one rotation of all workloads together. */
export interface RotationFigures {
  /** Microseconds. */
  readonly cpuUs: number;
  /** Milliseconds until the last receipt. */
  readonly lastMs: number;
}

/** What opening streams left behind is over by then. */
const OPENED_MS = 1_000;

/** Streams for one name each, as Envoy has them; each gets something new with every rotation. */
export class Subscribed {
  readonly #server: Measured;
  readonly #receipts = new Receipts(0);
  #streams = 0;

  constructor(server: Measured) {
    this.#server = server;
  }

  /** Opens more. Resolves when all have been answered. */
  async open(workloads: readonly Asking[]): Promise<void> {
    const opened = workloads.reduce((sum, { names }) => sum + names.length, 0);
    this.#receipts.reset(opened);
    this.#streams += opened;
    for (const { connection, names } of workloads) {
      for (const name of names) {
        connection.stream(subscription(name, 0), (message, stream) => {
          stream.write(acknowledgement(name, message));
          this.#receipts.count();
        });
      }
    }
    await this.#receipts.all();
    await delay(OPENED_MS);
  }

  async rotate({ rotate, rotations }: Rotating): Promise<RotationFigures> {
    const before = this.#server.cpuUs();
    const times: number[] = [];
    for (let i = 0; i < rotations; i++) {
      this.#receipts.reset(this.#streams);
      const begun = performance.now();
      rotate();
      await this.#receipts.all();
      times.push(performance.now() - begun);
    }
    return { cpuUs: (this.#server.cpuUs() - before) / rotations, lastMs: median(times) };
  }
}
