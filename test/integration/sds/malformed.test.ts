/** Requests and responses that do not parse: who hears of them, and that nothing of them is used. */
import { mkdtempDisposable } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { encode } from '../../../src/wire/wire.ts';
import { callWithBytes } from '../../support/sds/byte-call.ts';
import { startRunning } from '../../support/sidecar/sidecar.ts';
import { TestWorkloadApi } from '../../support/workload-api/test-workload-api.ts';

const CUT_SHORT = Buffer.from('0a056162', 'hex');
const WHY = 'a length beyond the end: 2 bytes are left, at byte 2';
const SDS = '/envoy.service.secret.v3.SecretDiscoveryService';

describe('a request that is cut short', () => {
  test('ends its stream with what is wrong, and is reported with the peer', async () => {
    await using running = await startRunning();
    await running.event('context_received');
    const ended = await callWithBytes(running.socket, `${SDS}/StreamSecrets`, CUT_SHORT);
    const details = `it is no envoy.service.discovery.v3.DiscoveryRequest that parses: ${WHY}`;
    expect(ended).toEqual({ code: 'INVALID_ARGUMENT', details, responses: 0 });
    expect(await running.event('stream_denied')).toMatchObject({ reason: 'malformed', details, peer: { connection: 1 } });
    expect(await running.event('stream_closed')).toMatchObject({ reason: details });
  });

  test.each([
    [`${SDS}/FetchSecrets`, 'envoy.service.discovery.v3.DiscoveryRequest'],
    ['/grpc.health.v1.Health/Check', 'grpc.health.v1.HealthCheckRequest'],
    ['/grpc.health.v1.Health/Watch', 'grpc.health.v1.HealthCheckRequest'],
  ])('ends a call of %s, and is reported with the peer', async (call, message) => {
    await using running = await startRunning();
    const details = `it is no ${message} that parses: ${WHY}`;
    expect(await callWithBytes(running.socket, call, CUT_SHORT)).toEqual({ code: 'INVALID_ARGUMENT', details, responses: 0 });
    expect(await running.event('request_malformed')).toMatchObject({ call, details, peer: { connection: 1 } });
  });

  test.each(['FetchX509SVID', 'FetchX509Bundles', 'FetchJWTSVID', 'FetchJWTBundles', 'ValidateJWTSVID'])(
    'ends a call of the development Workload API: %s',
    async (name) => {
      await using folder = await mkdtempDisposable(join(tmpdir(), 'malformed-'));
      const socket = join(folder.path, 'api.sock');
      await using _api = await TestWorkloadApi.start({ address: `unix://${socket}`, rotateEveryMs: 0 });
      const ended = await callWithBytes(socket, `/SpiffeWorkloadAPI/${name}`, CUT_SHORT);
      expect(ended).toMatchObject({ code: 'INVALID_ARGUMENT', details: expect.stringContaining(WHY), responses: 0 });
    },
  );
});

test('a response of the Workload API that is cut short ends its stream, which is opened again; nothing of it is used', async () => {
  await using running = await startRunning();
  await running.event('context_received');
  const before = await running.client.fetch([]);
  // To who does not look, a message without an SVID and with one federated bundle.
  const whole = encode('X509SVIDResponse', { federated_bundles: { 'spiffe://b.test': Buffer.alloc(40) } });
  running.workloadApi.sendRaw(whole.subarray(0, -30));
  const lost = await running.event('workload_api_lost');
  expect(lost).toMatchObject({ code: 'INTERNAL', details: expect.stringContaining('a length beyond the end'), failures: 1 });
  expect(await running.client.fetch([])).toEqual(before);
  await running.workloadApi.streamOpened(2);
});
