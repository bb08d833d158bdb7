/** What workloads cost: the same is measured of node mode with many, and of a sidecar with its one. */
import { setTimeout as delay } from 'node:timers/promises';
import { acknowledgement, subscription } from '../frames.ts';
import { Receipts } from '../receipts.ts';
import type { SdsConnection } from '../sds-connection.ts';
import type { Measured } from '../server-process.ts';
import { median } from '../statistics.ts';

/** What a start leaves to do later, and what opening streams left behind, is over by then. */
const SETTLED_MS = 1_500;

/** A workload, as whoever asks for its secrets. */
export interface Asking {
  readonly connection: SdsConnection;
  readonly names: readonly string[];
}

export interface Rotating {
  /** Gives all workloads new SVIDs. */
  readonly rotate: () => void;
  readonly rotations: number;
  /** How many of the names of a workload get something new. */
  readonly pushed: number;
}

/** Of all workloads together: megabytes, milliseconds, and CPU in microseconds. */
export interface WorkloadFigures {
  readonly resident: number;
  readonly private: number;
  /** Of one rotation. */
  readonly rotationUs: number;
  /** From a rotation to the last receipt. */
  readonly lastMs: number;
}

/** Workloads with a stream for each name, as Envoy has them. */
export class Subscribed {
  readonly #server: Measured;
  readonly #workloads: number;
  readonly #receipts: Receipts;

  private constructor(server: Measured, workloads: number, receipts: Receipts) {
    this.#server = server;
    this.#workloads = workloads;
    this.#receipts = receipts;
  }

  /** Resolves when all have all. */
  static async open(server: Measured, workloads: readonly Asking[]): Promise<Subscribed> {
    const receipts = new Receipts(workloads.reduce((sum, { names }) => sum + names.length, 0));
    for (const { connection, names } of workloads) {
      for (const name of names) {
        connection.stream(subscription(name, 0), (message, stream) => {
          stream.write(acknowledgement(name, message));
          receipts.count();
        });
      }
    }
    await receipts.all();
    await delay(SETTLED_MS);
    return new Subscribed(server, workloads.length, receipts);
  }

  async measure({ rotate, rotations, pushed }: Rotating): Promise<WorkloadFigures> {
    const before = this.#server.cpuUs();
    const times: number[] = [];
    for (let i = 0; i < rotations; i++) {
      this.#receipts.reset(pushed * this.#workloads);
      const begun = performance.now();
      rotate();
      await this.#receipts.all();
      times.push(performance.now() - begun);
    }
    const rotationUs = (this.#server.cpuUs() - before) / rotations;
    await delay(SETTLED_MS);
    const { resident, private: own } = this.#server.memoryMb();
    return { resident, private: own, rotationUs, lastMs: median(times) };
  }
}
