import { EventEmitter, once } from 'node:events';
import { mkdtempDisposable } from 'node:fs/promises';
import { createServer, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Server, ServerCredentials, status } from '@grpc/grpc-js';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { DevWorkloadApiOptions } from '../../../src/dev/dev-workload-api.ts';
import { parseEndpoint } from '../../../src/endpoint.ts';
import type { Event } from '../../../src/events.ts';
import { CertificateReader } from '../../../src/spiffe/certificate-reader.ts';
import type { X509Context } from '../../../src/spiffe/x509-context.ts';
import { workloadApiAt } from '../../../src/workload-api/client.ts';
import { JoinedWatch } from '../../../src/workload-api/joined-watch.ts';
import { ManualClock } from '../../support/clocks/manual-clock.ts';
import { TestWorkloadApi } from '../../support/workload-api/test-workload-api.ts';

const WEB = 'spiffe://example.org/web';
const API = 'spiffe://example.org/api';

let stack: AsyncDisposableStack;
let path: string;
let address: string;

beforeEach(async () => {
  stack = new AsyncDisposableStack();
  const folder = stack.use(await mkdtempDisposable(join(tmpdir(), 'workload-api-')));
  path = join(folder.path, 'api.sock');
  address = `unix://${path}`;
});
afterEach(() => stack.disposeAsync());

async function startApi(options: Partial<DevWorkloadApiOptions> = {}): Promise<TestWorkloadApi> {
  const identities = [{ path: '/web' }, { path: '/api' }];
  return stack.use(await TestWorkloadApi.start({ address, identities, rotateEveryMs: 0, ...options }));
}

/** A watch on the real socket; time passes only when the test says so. */
class Watching {
  readonly clock = new ManualClock();
  readonly #news = new EventEmitter();
  readonly #events: Event[] = [];
  readonly #watch: JoinedWatch;
  #context: X509Context | undefined;
  #reason: string | undefined;
  #taken = 0;

  constructor(reader: CertificateReader) {
    this.#watch = new JoinedWatch({
      apis: [workloadApiAt(parseEndpoint(address))],
      reader: () => reader,
      clock: this.clock,
      random: () => 0,
      onPermissionDenied: () => 'withdraw',
      events: (event) => {
        this.#events.push(event);
        this.#news.emit('event');
      },
      onContext: (context, reason) => {
        this.#context = context;
        this.#reason = reason;
        this.#news.emit('event');
      },
    });
    stack.defer(() => this.#watch.stop());
    this.#watch.start();
  }

  /** The next event of that type. */
  async next<T extends Event['type']>(type: T): Promise<Event & { readonly type: T }> {
    for (;;) {
      const event = this.#events[this.#taken++];
      if (event === undefined) {
        this.#taken -= 1;
        await once(this.#news, 'event');
      } else if (event.type === type) return event as Event & { readonly type: T };
    }
  }

  /** Lets the time pass until a call that ended is made again. */
  async retry(): Promise<Event & { readonly type: 'workload_api_lost' }> {
    const lost = await this.next('workload_api_lost');
    this.clock.advance(lost.retryInMs ?? 0);
    return lost;
  }

  /** What is in use: leaf serials by SPIFFE ID. */
  get serials(): Readonly<Record<string, string>> {
    return Object.fromEntries((this.#context?.svids ?? []).map(({ id, chain }) => [id, chain[0].serial]));
  }

  /** Why what the context lacks is gone. */
  get reason(): string | undefined {
    return this.#reason;
  }

  get trustDomains(): readonly string[] {
    return [...(this.#context?.bundles.keys() ?? [])];
  }

  /** Waits until that holds of what is in use. */
  async until(holds: (watching: this) => boolean): Promise<void> {
    while (!holds(this)) await once(this.#news, 'event');
  }
}

const watch = () => new Watching(new CertificateReader());
const served = (api: TestWorkloadApi) => Object.fromEntries(api.serials());

async function watchServed(api: TestWorkloadApi): Promise<Watching> {
  const watching = watch();
  await watching.until(({ serials }) => Object.keys(serials).length === api.serials().size);
  return watching;
}

describe('what the Workload API sends arrives', () => {
  test('at first', async () => {
    const api = await startApi();
    const { serials, trustDomains } = await watchServed(api);
    expect({ serials, trustDomains }).toEqual({ serials: served(api), trustDomains: ['example.org'] });
  });

  test('through an intermediate', async () => {
    const api = await startApi({ intermediate: true });
    expect((await watchServed(api)).serials).toEqual(served(api));
  });

  test('when it rotates', async () => {
    const api = await startApi();
    const watching = await watchServed(api);
    await api.rotate();
    await watching.until(({ serials }) => serials[API] === api.serials().get(API));
    expect(watching.serials).toEqual(served(api));
  });

  test('when it rolls its authority, old and new side by side', async () => {
    const api = await startApi();
    const watching = await watchServed(api);
    await watching.next('bundle_updated');
    await api.rollAuthority();
    expect((await watching.next('bundle_updated')).authorities).toBe(2);
  });

  test('when it takes one identity away', async () => {
    const api = await startApi();
    const watching = await watchServed(api);
    await api.setIdentities([{ path: '/api' }]);
    await watching.until(({ serials }) => Object.keys(serials).length === 1);
    expect(watching.serials).toEqual(served(api));
  });

  test('when it takes all identities away', async () => {
    const api = await startApi();
    const watching = await watchServed(api);
    await api.setIdentities([]);
    await watching.until(({ serials }) => Object.keys(serials).length === 0);
    expect(watching.reason).toBe('the Workload API no longer lists it');
  });

  test('when it federates with another trust domain, and when it no longer does', async () => {
    const api = await startApi();
    const watching = await watchServed(api);
    await api.federate('partner.test');
    await watching.until(({ trustDomains }) => trustDomains.includes('partner.test'));
    await api.unfederate('partner.test');
    expect((await watching.next('bundle_withdrawn')).trustDomain).toBe('partner.test');
  });

  test('when it is larger than the 4 MiB at which gRPC would stop', async () => {
    const api = await startApi();
    const watching = await watchServed(api);
    const hint = 'x'.repeat(5 * 1024 * 1024);
    api.send((response) => ({ ...response, svids: response.svids.slice(0, 1).map((svid) => ({ ...svid, hint })) }));
    await watching.until(({ serials }) => Object.keys(serials).length === 1);
    expect(watching.serials).toEqual({ [WEB]: api.serials().get(WEB) });
  });
});

describe('what was received stays in use', () => {
  test('when a message does not verify, and the next one counts on the same stream', async () => {
    const api = await startApi();
    const watching = await watchServed(api);
    api.send((response) => ({ ...response, svids: response.svids.map((svid) => ({ ...svid, bundle: Buffer.alloc(0) })) }));
    await watching.next('context_discarded');
    const kept = watching.serials;
    await api.rotate();
    await watching.until(({ serials }) => serials[API] === api.serials().get(API));
    expect([Object.keys(kept), watching.serials, api.connections]).toEqual([[WEB, API], served(api), 1]);
  });

  test('when the bytes are no message at all, and the call is made again', async () => {
    const api = await startApi();
    const watching = await watchServed(api);
    api.sendRaw(Buffer.from('garbage'));
    const lost = await watching.retry();
    await watching.next('workload_api_connected');
    expect([lost.code, watching.serials]).toEqual(['INTERNAL', served(api)]);
  });

  test.for(['UNAVAILABLE', 'OK', 'UNKNOWN'] as const)(
    'when a stream ends with %s, and the call is made again at once',
    async (code) => {
      const api = await startApi();
      const watching = await watchServed(api);
      api.endStreams(status[code]);
      const lost = await watching.retry();
      await api.streamOpened(2);
      expect([lost, watching.serials]).toMatchObject([{ code, retryInMs: 0 }, served(api)]);
    },
  );

  test('when the agent dies, and its successor on the same path takes over', async () => {
    const api = await startApi();
    const watching = await watchServed(api);
    await api.close();
    await watching.retry();
    await watching.next('workload_api_lost');
    const kept = watching.serials;
    const successor = await startApi({ identities: [{ path: '/new' }] });
    watching.clock.advance(5_000);
    await watching.until(({ serials }) => Object.keys(serials).length === 1);
    expect([Object.keys(kept), watching.serials]).toEqual([[WEB, API], served(successor)]);
  });
});

describe('a workload that is denied', () => {
  test('has nothing any more', async () => {
    const api = await startApi();
    const watching = await watchServed(api);
    api.deny();
    await watching.next('bundle_withdrawn');
    expect([watching.serials, watching.trustDomains]).toEqual([{}, []]);
  });

  test('asks again, and has everything back once it is allowed', async () => {
    const api = await startApi();
    const watching = await watchServed(api);
    api.deny();
    await watching.retry();
    await watching.next('workload_api_lost');
    api.allow();
    watching.clock.advance(5_000);
    await watching.next('workload_api_connected');
    expect(watching.serials).toEqual(served(api));
  });
});

describe('a Workload API', () => {
  test('that is not there yet is found once it is', async () => {
    const watching = watch();
    const lost = await watching.next('workload_api_lost');
    const api = await startApi();
    watching.clock.advance(lost.retryInMs ?? 0);
    await watching.next('workload_api_connected');
    expect([lost.code, watching.serials]).toEqual(['UNAVAILABLE', served(api)]);
  });

  test('that accepts and never speaks is given up, connection and all', async () => {
    const addressed = Promise.withResolvers<Socket>();
    const silent = createServer((socket) => {
      socket.on('error', () => undefined).once('data', () => addressed.resolve(socket));
    });
    stack.defer(() => void silent.close());
    silent.listen(path);
    await once(silent, 'listening');
    const watching = watch();
    const socket = await addressed.promise;
    const closed = once(socket.resume(), 'close');
    watching.clock.advance(40_000);
    await closed;
    expect(await watching.next('workload_api_lost')).toMatchObject({ code: 'DEADLINE_EXCEEDED', failures: 1 });
  });

  test('that speaks another protocol is trouble on the way', async () => {
    const other = createServer((socket) => socket.on('error', () => undefined).end('HTTP/1.1 400 Bad Request\r\n\r\n'));
    stack.defer(() => void other.close());
    other.listen(path);
    await once(other, 'listening');
    expect(await watch().next('workload_api_lost')).toMatchObject({ code: 'UNAVAILABLE', retryInMs: 0 });
  });

  test('that is another gRPC service is not asked again', async () => {
    const other = new Server();
    stack.defer(() => other.forceShutdown());
    await new Promise((resolve) => other.bindAsync(`unix:${path}`, ServerCredentials.createInsecure(), resolve));
    const lost = await watch().next('workload_api_lost');
    expect([lost.code, lost.retryInMs, lost.meaning]).toEqual([
      'UNIMPLEMENTED',
      undefined,
      expect.stringContaining('right socket'),
    ]);
  });
});
