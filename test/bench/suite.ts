/** Runs the parts, each within a time limit of its own. */
import { join } from 'node:path';
import { TestWorkloadApi } from '../support/workload-api/test-workload-api.ts';
import { type Figures, measureSizes } from './measures.ts';
import { nodeRows } from './node/rows.ts';
import { type FloorPart, type Part, parts, ROTATIONS } from './parts.ts';
import type { Row } from './report.ts';
import { median } from './statistics.ts';
import { floorSubject, issueRotations, issueRotationsOfOne, sidecarSubject } from './subject.ts';
import { openVariant } from './variants.ts';

/** On a quiet machine a part takes up to 20 s. */
const LIMIT_MS = 120_000;
const MESSAGES = 200;
const IDENTITIES = 100;
const BUNDLES = 200;

/** What a part gave: its rows, or why it has none. */
export interface Told {
  readonly name: string;
  readonly outcome: readonly Row[] | Error;
}

export class Suite {
  readonly #folder: string;
  readonly #quick: boolean;
  readonly #parts: readonly Part[];

  /**
   * @param folder for sockets and scripts
   * @param only beginnings of parts' names; default all
   * @throws Error when no part is called so
   */
  constructor(folder: string, quick: boolean, only: readonly string[] = ['']) {
    const all = parts(quick);
    this.#folder = folder;
    this.#quick = quick;
    this.#parts = all.filter(({ name }) => only.some((beginning) => name.startsWith(beginning)));
    if (this.#parts.length === 0) {
      throw new Error(`no part begins with ${only.join(' or ')}: there are ${all.map(({ name }) => name).join(', ')}`);
    }
  }

  /** Each part as soon as it is known. */
  async *run(): AsyncGenerator<Told> {
    await using stack = new AsyncDisposableStack();
    const address = (name: string) => `unix://${join(this.#folder, `${name}.sock`)}`;
    const api = stack.use(await TestWorkloadApi.start({ address: address('workload'), rotateEveryMs: 0 }));
    const one = { api, messages: await issueRotations(api, this.#quick ? 5 : MESSAGES) };
    const many = async () => {
      const federated = Array.from({ length: BUNDLES }, (_, index) => `federated-${index}.test`);
      const identities = Array.from({ length: IDENTITIES }, (_, index) => ({ path: `/workload-${index}` }));
      const large = stack.use(
        await TestWorkloadApi.start({ address: address('large'), rotateEveryMs: 0, identities, federated }),
      );
      return { api: large, messages: await issueRotationsOfOne(large, this.#quick ? 2 : ROTATIONS) };
    };
    for (const part of this.#parts) {
      const rows = async (controller: AbortController) => {
        if ('workloads' in part) return nodeRows(this.#folder, part.name, part, controller);
        return this.#rows(part, controller, part.manyIdentities ? await many() : one);
      };
      yield { name: part.name, outcome: await this.#within(rows) };
    }
  }

  /** The rows of a part, or an Error when it failed or hung; its processes have ended then. */
  async #within(rows: (controller: AbortController) => Promise<readonly Row[]>): Promise<readonly Row[] | Error> {
    const controller = new AbortController();
    const { promise: aborted, reject } = Promise.withResolvers<never>();
    controller.signal.addEventListener('abort', () => reject(controller.signal.reason));
    const limit = setTimeout(() => controller.abort(new Error(`it did not end within ${LIMIT_MS / 1_000} s`)), LIMIT_MS);
    try {
      return await Promise.race([rows(controller), aborted]);
    } catch (error) {
      controller.abort(error);
      return error as Error;
    } finally {
      clearTimeout(limit);
    }
  }

  async #rows(part: FloorPart, controller: AbortController, { api, messages }: World): Promise<readonly Row[]> {
    const sizes = await measureSizes(sidecarSubject(this.#folder, api, messages), controller);
    const pushed = part.manyIdentities ? { ...sizes, push: messages[0]?.length ?? 0 } : sizes;
    const floor = floorSubject(this.#folder, pushed);
    await using opened = await openVariant(part.variant, this.#folder, api, messages, sizes);
    const measured: { readonly subject: Figures; readonly floor: Figures }[] = [];
    for (let round = 0; round < part.rounds; round++) {
      measured.push({
        subject: await part.measure(opened.subject, controller),
        floor: await part.measure(floor, controller),
      });
    }
    return part.rows.map(({ key, ...row }) => {
      const of = (who: 'subject' | 'floor') => median(measured.map((round) => round[who][key] ?? Number.NaN));
      const values = { measured: of('subject'), floor: of('floor') };
      return { name: `${part.name}:${key}`, ...row, ...values, ratio: values.measured / values.floor };
    });
  }
}

/** Who the sidecar gets its identities from, and what that one sends when something is to be pushed. */
interface World {
  readonly api: TestWorkloadApi;
  readonly messages: readonly Buffer[];
}
