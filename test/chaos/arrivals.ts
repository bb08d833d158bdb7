/** Waits until both Envoys have what changed at the Workload API, and measures how long that takes. */
import { eventually } from '../support/eventually.ts';
import type { Envoy } from '../support/mesh/envoy.ts';
import { BACKEND, FRONTEND } from '../support/mesh/mesh.ts';
import type { TestWorkloadApi } from '../support/workload-api/test-workload-api.ts';

export interface ArrivalsOptions {
  readonly api: TestWorkloadApi;
  readonly server: Envoy;
  readonly client: Envoy;
  /** For how many milliseconds there was no sidecar that listened, since the start of all. */
  readonly absentMs: () => number;
  /** Aborted when there is nothing left to wait for. */
  readonly end: AbortSignal;
}

export const ARRIVAL_LIMIT_MS = 30_000;
const BUNDLE_VERSION = 'sds.spiffe_example.org.version_text';

export class Arrivals {
  readonly #options: ArrivalsOptions;
  /** Milliseconds of each change. */
  readonly #times: number[];

  /** @param times each arrival is added to them */
  constructor(options: ArrivalsOptions, times: number[]) {
    this.#options = options;
    this.#times = times;
  }

  /** Until each Envoy presents the certificate that the Workload API serves now. */
  async certificates(): Promise<void> {
    const { api, server, client } = this.#options;
    const since = performance.now();
    const serials = api.serials();
    await this.#inTime((limitMs) =>
      Promise.all([presents(server, BACKEND, serials, limitMs), presents(client, FRONTEND, serials, limitMs)]),
    );
    this.#times.push(performance.now() - since);
  }

  /** Makes the change, and waits until each Envoy has another bundle than before. */
  async bundle(change: () => Promise<void>): Promise<void> {
    const envoys = [this.#options.server, this.#options.client];
    const before = await Promise.all(envoys.map((envoy) => envoy.stat(BUNDLE_VERSION)));
    const since = performance.now();
    await change();
    const changed = async (envoy: Envoy, index: number) => (await envoy.stat(BUNDLE_VERSION)) !== before[index] || undefined;
    await this.#inTime((limitMs) =>
      Promise.all(envoys.map((envoy, index) => eventually('the new bundle', () => changed(envoy, index), limitMs))),
    );
    this.#times.push(performance.now() - since);
  }

  /** 30 s, and as long as there was no sidecar meanwhile: without CPU one takes longer to start than the limit is. */
  async #inTime(arrival: (limitMs: number) => Promise<unknown>): Promise<void> {
    const { absentMs, end } = this.#options;
    for (let limitMs = ARRIVAL_LIMIT_MS; ; ) {
      const absent = absentMs();
      try {
        await arrival(limitMs);
        return;
      } catch (error) {
        limitMs = absentMs() - absent;
        if (limitMs < 1 || end.aborted) throw error;
      }
    }
  }
}

/** As `Envoy.presents`, with more patience: it may have to outlast a kill and a failure. */
async function presents(envoy: Envoy, id: string, serials: ReadonlyMap<string, string>, limitMs: number): Promise<void> {
  const serial = serials.get(id);
  const wanted = BigInt(`0x${serial}`);
  const shown = async () => {
    const chains = (await envoy.certs()).flatMap(({ cert_chain }) => cert_chain);
    return chains.some(({ serial_number }) => BigInt(`0x${serial_number}`) === wanted) || undefined;
  };
  await eventually(`the certificate ${serial} of ${id} in Envoy`, shown, limitMs);
}
