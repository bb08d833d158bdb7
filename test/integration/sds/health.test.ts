/** grpc.health.v1 on the SDS socket, as any health client asks it. */
import { once } from 'node:events';
import { rm } from 'node:fs/promises';
import { Client, type ClientReadableStream, credentials, type ServiceError, status } from '@grpc/grpc-js';
import { describe, expect, test } from 'vitest';
import type { HealthCheckRequest, HealthCheckResponse, HealthListResponse } from '../../../src/gen/messages.ts';
import { LOOK_MS } from '../../../src/server/kept-listener.ts';
import { type Input, method } from '../../../src/wire/wire.ts';
import { ManualClock } from '../../support/clocks/manual-clock.ts';
import { type Running, startRunning } from '../../support/sidecar/sidecar.ts';

const SDS = 'envoy.service.secret.v3.SecretDiscoveryService';
const SERVING = { status: 1 };
const NOT_SERVING = { status: 2 };
const SERVICE_UNKNOWN = { status: 3 };
const HEALTH = 'grpc.health.v1.Health';

class HealthClient implements Disposable {
  readonly #client: Client;

  constructor({ socket }: Running) {
    this.#client = new Client(`unix:${socket}`, credentials.createInsecure(), { 'grpc.use_local_subchannel_pool': 1 });
  }

  /** @throws ServiceError */
  check(service: string): Promise<HealthCheckResponse> {
    return this.#ask<HealthCheckResponse>('Check', { service });
  }

  list(): Promise<HealthListResponse> {
    return this.#ask<HealthListResponse>('List', {});
  }

  watch(service: string): ClientReadableStream<HealthCheckResponse> {
    const { path, requestSerialize, responseDeserialize } = method<Input<HealthCheckRequest>, HealthCheckResponse>(
      HEALTH,
      'Watch',
    );
    return this.#client.makeServerStreamRequest(path, requestSerialize, responseDeserialize, { service });
  }

  [Symbol.dispose](): void {
    this.#client.close();
  }

  #ask<Response>(name: string, request: object): Promise<Response> {
    const { path, requestSerialize, responseDeserialize } = method<object, Response>(HEALTH, name);
    return new Promise((resolve, reject) => {
      this.#client.makeUnaryRequest(path, requestSerialize, responseDeserialize, request, (error, response) =>
        error === null ? resolve(response as Response) : reject(error),
      );
    });
  }
}

const next = async (watch: ClientReadableStream<HealthCheckResponse>) => (await once(watch, 'data'))[0];

describe('the process', () => {
  test('serves while it lives', async () => {
    await using running = await startRunning({ identities: [] });
    using client = new HealthClient(running);
    expect(await client.check('')).toEqual(SERVING);
  });
});

describe('the secret discovery service', () => {
  test('does not serve while there is nothing to serve, and tells its watchers when there is', async () => {
    await using running = await startRunning({ identities: [] });
    using client = new HealthClient(running);
    expect(await client.check(SDS)).toEqual(NOT_SERVING);
    const watch = client.watch(SDS).on('error', () => undefined);
    expect(await next(watch)).toEqual(NOT_SERVING);
    await running.workloadApi.setIdentities([{ path: '/web' }]);
    expect(await next(watch)).toEqual(SERVING);
    expect(await client.check(SDS)).toEqual(SERVING);
    watch.cancel();
  });

  test('does not serve while nobody can connect to the socket, and tells its watchers', async () => {
    const clock = new ManualClock();
    await using running = await startRunning({}, '', clock);
    await running.event('svid_received');
    using client = new HealthClient(running);
    const watch = client.watch(SDS).on('error', () => undefined);
    expect(await next(watch)).toEqual(SERVING);
    await rm(running.socket);
    clock.advance(LOOK_MS);
    expect([await next(watch), await next(watch)]).toEqual([NOT_SERVING, SERVING]);
    watch.cancel();
  });

  test('tells its watchers of changes only', async () => {
    await using running = await startRunning();
    await running.event('svid_received');
    using client = new HealthClient(running);
    const told: unknown[] = [];
    const watch = client.watch(SDS).on('error', () => undefined);
    watch.on('data', (response) => told.push(response));
    await next(watch);
    await running.workloadApi.rotate();
    await running.event('svid_rotated');
    await running.workloadApi.setIdentities([]);
    await next(watch);
    expect(told).toEqual([SERVING, NOT_SERVING]);
    watch.cancel();
  });

  test('is said to serve no more before the stream of who watches ends with the process', async () => {
    await using running = await startRunning();
    await running.event('svid_received');
    using client = new HealthClient(running);
    const watch = client.watch(SDS);
    expect(await next(watch)).toEqual(SERVING);
    const last = next(watch);
    const ended = once(watch, 'error');
    const stopped = running.stop();
    expect(await last).toEqual(NOT_SERVING);
    expect((await ended)[0]).toMatchObject({ code: status.UNAVAILABLE });
    await stopped;
  });
});

describe('a service that is not there', () => {
  test('is not found, and the answer says what is there', async () => {
    await using running = await startRunning();
    using client = new HealthClient(running);
    const refused = await client.check('x\ny').catch((error: ServiceError) => error);
    expect(refused).toMatchObject({ code: status.NOT_FOUND, details: `there is no service "x\\ny" here, only "" and "${SDS}"` });
  });

  test('can be watched all the same', async () => {
    await using running = await startRunning();
    using client = new HealthClient(running);
    const watch = client.watch('x').on('error', () => undefined);
    expect(await next(watch)).toEqual(SERVICE_UNKNOWN);
    watch.cancel();
  });
});

test('all services are listed with what each is', async () => {
  await using running = await startRunning({ identities: [] });
  using client = new HealthClient(running);
  expect(await client.list()).toEqual({ statuses: { '': SERVING, [SDS]: NOT_SERVING } });
});
