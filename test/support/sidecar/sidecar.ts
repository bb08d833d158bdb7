/** A sidecar and its Workload API in this process, on real sockets in a folder of their own. */
import { EventEmitter, on } from 'node:events';
import { mkdtempDisposable } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Clock, systemClock } from '../../../src/clock.ts';
import { type LoadedConfiguration, loadConfiguration } from '../../../src/config/load.ts';
import type { DevWorkloadApiOptions } from '../../../src/dev/dev-workload-api.ts';
import type { Event } from '../../../src/events.ts';
import { type Sidecar, startSidecar } from '../../../src/sidecar/sidecar.ts';
import { Observed } from '../../../src/state/observed.ts';
import { allPassed, readyz } from '../../../src/state/readiness.ts';
import { SdsClient } from '../sds/sds-client.ts';
import { TestWorkloadApi } from '../workload-api/test-workload-api.ts';

export interface Running extends AsyncDisposable {
  readonly workloadApi: TestWorkloadApi;
  readonly client: SdsClient;
  readonly socket: string;
  readonly sidecar: Sidecar;
  /** With the addresses that were put in. */
  readonly loaded: LoadedConfiguration;
  readonly observed: Observed;
  /** All that happened so far. */
  readonly events: readonly Event[];
  /** The first event of that type, and of that stream, that has happened or will. */
  event<T extends Event['type']>(type: T, stream?: number): Promise<Event & { readonly type: T }>;
  /** The same, of those that come after the first `count`. */
  eventAfter<T extends Event['type']>(count: number, type: T): Promise<Event & { readonly type: T }>;
  /** Applies another configuration while it runs. */
  configure(yaml: string): void;
  stop(): Promise<void>;
}

/**
 * @param yaml configuration beside the two addresses; FOLDER stands for the folder of the sockets, where the Workload API is workload.sock
 * @param clock of both; default the machine's
 * @param before what else the sidecar needs; it is called when the Workload API serves
 */
export async function startRunning(
  workload: Partial<DevWorkloadApiOptions> = {},
  yaml = '',
  clock: Clock = systemClock,
  before: (workloadApi: TestWorkloadApi, folder: string) => Promise<unknown> = async () => undefined,
): Promise<Running> {
  await using stack = new AsyncDisposableStack();
  const folder = stack.use(await mkdtempDisposable(join(tmpdir(), 'spiffe-sds-'))).path;
  const socket = join(folder, 'sds.sock');
  const address = `unix://${join(folder, 'workload.sock')}`;
  const flags = { config: 'test.yaml', listen: `unix://${socket}` };
  const load = (text: string) =>
    loadConfiguration({
      flags: text.includes('workload_api:') ? flags : { ...flags, workload_api: address },
      env: {},
      readFile: () => text.replaceAll('FOLDER', folder),
    });
  const workloadApi = stack.use(await TestWorkloadApi.start({ address, rotateEveryMs: 0, clock, ...workload }));
  await before(workloadApi, folder);
  const events: Event[] = [];
  const news = new EventEmitter();
  const loaded = load(yaml);
  const observed = new Observed(clock);
  const sidecar = await startSidecar({
    configuration: loaded.configuration,
    clock,
    ready: () => allPassed(readyz(observed, clock.now())),
    events: (event) => {
      events.push(event);
      observed.hear(event);
      news.emit('event', event);
    },
  });
  let stopped: Promise<void> | undefined;
  const stop = () => {
    stopped ??= sidecar.stop();
    return stopped;
  };
  stack.defer(stop);
  const client = stack.use(new SdsClient(socket));
  const owned = stack.move();
  const heard = async <E extends Event>(is: (event: Event) => event is E, after = 0): Promise<E> => {
    const known = events.slice(after).find(is);
    if (known !== undefined) return known;
    for await (const [event] of on(news, 'event') as AsyncIterable<[Event]>) if (is(event)) return event;
    throw new Error('unreachable: the emitter never ends');
  };
  return {
    workloadApi,
    client,
    socket,
    sidecar,
    loaded,
    observed,
    events,
    event: <T extends Event['type']>(type: T, stream?: number) =>
      heard(
        (event): event is Event & { readonly type: T } => event.type === type && (stream === undefined || isOf(event, stream)),
      ),
    eventAfter: <T extends Event['type']>(count: number, type: T) =>
      heard((event): event is Event & { readonly type: T } => event.type === type, count),
    configure: (text) => sidecar.configure(load(text).configuration),
    stop,
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  };
}

function isOf(event: Event, stream: number): boolean {
  return 'stream' in event && event.stream === stream;
}
