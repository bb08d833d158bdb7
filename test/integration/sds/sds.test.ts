/** StreamSecrets over a real socket, from a real Workload API: what a client sees. */
import { X509Certificate } from 'node:crypto';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { connect } from 'node:net';
import { describe, expect, test } from 'vitest';
import type { Secret } from '../../../src/gen/messages.ts';
import { SECRET_TYPE_URL } from '../../../src/secrets/secret.ts';
import { decode } from '../../../src/wire/wire.ts';
import { startRunning } from '../../support/sidecar/sidecar.ts';

const WEB = 'spiffe://example.org/web';
const TWO = { identities: [{ path: '/web' }, { path: '/db' }] };

function leafOf(secret: Secret | undefined): X509Certificate {
  return new X509Certificate(secret?.tls_certificate?.certificate_chain?.inline_bytes ?? '');
}

function trustDomainsOf(secret: Secret | undefined): readonly string[] {
  const value = secret?.validation_context?.custom_validator_config?.typed_config?.value ?? new Uint8Array();
  const { trust_domains } = decode('envoy.extensions.transport_sockets.tls.v3.SPIFFECertValidatorConfig', value);
  return trust_domains.map(({ name }) => name);
}

describe('a name', () => {
  test('that is a SPIFFE ID with a path is the certificate and key of that SVID', async () => {
    await using running = await startRunning(TWO);
    const [secret] = await running.client.stream().request([WEB]).secrets();
    expect(secret?.name).toBe(WEB);
    expect(leafOf(secret).subjectAltName).toBe(`URI:${WEB}`);
    expect(leafOf(secret).serialNumber).toBe(running.workloadApi.serials().get(WEB));
    expect(Buffer.from(secret?.tls_certificate?.private_key?.inline_bytes ?? []).toString()).toMatch(
      /^-----BEGIN PRIVATE KEY-----\n/,
    );
  });

  test('that is a trust domain is its validation context', async () => {
    await using running = await startRunning({ ...TWO, federated: ['partner.test'] });
    const [secret] = await running.client.stream().request(['spiffe://partner.test']).secrets();
    expect(trustDomainsOf(secret)).toEqual(['partner.test']);
  });

  test.each([
    ['default', 'tls_certificate'],
    ['ROOTCA', 'validation_context'],
    ['ALL', 'validation_context'],
  ] as const)('%s is a %s', async (name, kind) => {
    await using running = await startRunning(TWO);
    const [secret] = await running.client.stream().request([name]).secrets();
    expect(secret?.name).toBe(name);
    expect(secret).toHaveProperty(kind);
  });

  test('every name of one request is answered, in every combination', async () => {
    await using running = await startRunning(TWO);
    const names = ['ROOTCA', 'ALL', 'default', WEB, 'spiffe://example.org', 'spiffe://example.org/db'];
    const secrets = await running.client.stream().request(names).secrets();
    expect(secrets.map(({ name }) => name)).toEqual(names);
  });

  test('without a secret is held, and said so, while the others are served', async () => {
    await using running = await startRunning(TWO);
    const stream = running.client.stream().request(['spiffe://example.org/cache', WEB]);
    expect((await stream.secrets()).map(({ name }) => name)).toEqual([WEB]);
    expect(await running.event('names_held')).toMatchObject({ names: ['spiffe://example.org/cache'] });
    await running.workloadApi.setIdentities([{ path: '/web' }, { path: '/cache' }]);
    expect((await stream.secrets()).map(({ name }) => name)).toContain('spiffe://example.org/cache');
  });
});

describe('a response', () => {
  test('says its type, its version, its nonce and who sent it', async () => {
    await using running = await startRunning(TWO);
    const response = await running.client.stream().request([WEB]).next();
    expect(response).toMatchObject({ type_url: SECRET_TYPE_URL, nonce: '1' });
    expect(response.version_info).toMatch(/^[0-9a-f]{16}$/);
    expect(response.control_plane?.identifier).toMatch(/^spiffe-sds\//);
    expect(response.resources[0]?.type_url).toBe(SECRET_TYPE_URL);
  });

  test('has the same version on another stream', async () => {
    await using running = await startRunning(TWO);
    const [one, other] = await Promise.all([1, 2].map(() => running.client.stream().request([WEB]).next()));
    expect(one?.version_info).toBe(other?.version_info);
  });

  test('to a request without names holds every secret once', async () => {
    await using running = await startRunning(TWO);
    const secrets = await running.client.stream().request([]).secrets();
    expect(secrets.map(({ name }) => name)).toEqual([WEB, 'spiffe://example.org/db', 'spiffe://example.org']);
  });
});

describe('a rotation', () => {
  test('reaches the streams that subscribed to what rotated, and no other', async () => {
    await using running = await startRunning(TWO);
    const certificate = running.client.stream().request([WEB]);
    const bundle = running.client.stream().request(['ROOTCA']);
    const [before] = await certificate.secrets();
    await bundle.secrets();
    await running.workloadApi.rotate();
    const [after] = await certificate.secrets();
    expect(leafOf(after).serialNumber).toBe(running.workloadApi.serials().get(WEB));
    expect(leafOf(after).serialNumber).not.toBe(leafOf(before).serialNumber);
    expect(bundle.waiting).toBe(0);
  });

  test('is held back while the last response has not left, and then only the newest is sent', async () => {
    await using running = await startRunning({ identities: [{ path: '/web' }] });
    const stream = running.client.stream().request([WEB]);
    await stream.secrets();
    stream.pause();
    const witness = running.client.stream().request([WEB]);
    await witness.secrets();
    for (let i = 0; i < 100; i++) {
      await running.workloadApi.rotate();
      await witness.secrets();
    }
    const newest = running.workloadApi.serials().get(WEB);
    stream.resume();
    let received = 0;
    for (let serial = ''; serial !== newest; received++) serial = leafOf((await stream.secrets())[0]).serialNumber;
    expect(received).toBeLessThanOrEqual(100);
    expect(stream.waiting).toBe(0);
  });
});

describe('a NACK', () => {
  const DUMP =
    'Proto constraint validation failed: name: "x" tls_certificate { private_key { inline_bytes: "-----BEGIN PRIVATE KEY-----';

  test('is reported without the key that Envoy quotes', async () => {
    await using running = await startRunning(TWO);
    const stream = running.client.stream().request([WEB]);
    stream.nack(await stream.next(), DUMP);
    const event = await running.event('secrets_rejected');
    expect(event).toMatchObject({ secrets: [{ name: WEB }], nonce: '1' });
    expect(event.reason).toContain('Proto constraint validation failed');
    expect(JSON.stringify(running.events)).not.toContain('PRIVATE KEY');
  });

  test('is answered by the next content', async () => {
    await using running = await startRunning(TWO);
    const stream = running.client.stream().request([WEB]);
    stream.nack(await stream.next(), 'no');
    await running.event('secrets_rejected');
    await running.workloadApi.rotate();
    expect(leafOf((await stream.secrets())[0]).serialNumber).toBe(running.workloadApi.serials().get(WEB));
  });
});

describe('a stream', () => {
  test('of another type is refused, the others are not touched', async () => {
    await using running = await startRunning(TWO);
    const good = running.client.stream().request([WEB]);
    await good.secrets();
    const bad = running.client.stream().request([WEB], { type_url: 'type.googleapis.com/envoy.config.cluster.v3.Cluster' });
    expect(await bad.ended()).toMatchObject({ code: 'INVALID_ARGUMENT' });
    await running.workloadApi.rotate();
    expect(await good.secrets()).toHaveLength(1);
  });

  test('that its client ends is closed, and reported once', async () => {
    await using running = await startRunning(TWO);
    const stream = running.client.stream().request([WEB]);
    await stream.secrets();
    stream.close();
    expect(await stream.ended()).toMatchObject({ code: 'OK' });
    expect(running.events.filter(({ type }) => type === 'stream_closed')).toHaveLength(1);
  });

  test('of a node that asks for it gets its validation context in plain form', async () => {
    await using running = await startRunning(TWO);
    const node = { metadata: { fields: { disable_spiffe_cert_validation: { bool_value: true } } } };
    const [secret] = await running.client.stream().request(['ROOTCA'], { node }).secrets();
    expect(new X509Certificate(secret?.validation_context?.trusted_ca?.inline_bytes ?? '').ca).toBe(true);
    expect(secret?.validation_context?.custom_validator_config).toBeNull();
  });

  test('survives garbage on another connection', async () => {
    await using running = await startRunning(TWO);
    const stream = running.client.stream().request([WEB]);
    await stream.secrets();
    const garbage = connect(running.socket);
    garbage.on('error', () => undefined);
    garbage.end('GET / HTTP/1.1\r\n\r\n');
    await once(garbage.resume(), 'close');
    await running.workloadApi.rotate();
    expect(await stream.secrets()).toHaveLength(1);
  });
});

describe('the Workload API', () => {
  test('that denies leaves Envoy what it has and gives new streams nothing, until it allows again', async () => {
    await using running = await startRunning(TWO);
    const before = running.client.stream().request([WEB]);
    await before.secrets();
    running.workloadApi.deny();
    expect(await running.event('svid_withdrawn')).toMatchObject({ id: WEB });
    const after = running.client.stream().request([WEB]);
    await running.event('stream_subscribed', 2);
    running.workloadApi.allow();
    expect((await after.secrets())[0]?.name).toBe(WEB);
    expect(before.waiting).toBe(0);
  });

  test('that sends garbage changes nothing', async () => {
    await using running = await startRunning(TWO);
    const stream = running.client.stream().request([WEB]);
    await stream.secrets();
    running.workloadApi.send((response) => ({
      ...response,
      svids: response.svids.map((svid) => ({ ...svid, bundle: new Uint8Array() })),
    }));
    expect((await running.event('context_discarded')).reason).toContain(WEB);
    expect(await running.client.stream().request([WEB]).secrets()).toHaveLength(1);
    expect(stream.waiting).toBe(0);
  });
});

test('stopping ends every stream with UNAVAILABLE and removes the socket', async () => {
  await using running = await startRunning(TWO);
  const stream = running.client.stream().request([WEB]);
  await stream.secrets();
  const [end] = await Promise.all([stream.ended(), running.stop()]);
  expect(end).toMatchObject({ code: 'UNAVAILABLE', details: expect.stringContaining('shutting down') });
  expect(existsSync(running.socket)).toBe(false);
});
