import 'reflect-metadata';
import { createPrivateKey, X509Certificate } from 'node:crypto';
import { link, mkdtemp, rm, stat, writeFile } from 'node:fs/promises';
import { createServer, type Server } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Client, type ClientReadableStream, credentials, Metadata, type ServiceError, status } from '@grpc/grpc-js';
import * as x509 from '@peculiar/x509';
import { createLocalJWKSet, jwtVerify } from 'jose';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { DevWorkloadApiOptions } from '../../../src/dev/dev-workload-api.ts';
import type { Messages, X509SVID, X509SVIDResponse } from '../../../src/gen/messages.ts';
import { method } from '../../../src/wire/wire.ts';
import { ManualClock } from '../../support/clocks/manual-clock.ts';
import { TestWorkloadApi } from '../../support/workload-api/test-workload-api.ts';

const WEB = 'spiffe://example.org/web';
const API = 'spiffe://example.org/api';
const HEADER = new Metadata();
HEADER.set('workload.spiffe.io', 'true');

let folder: string;
let address: string;
let cleanups: (() => unknown)[];

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'dev-workload-api-'));
  address = `unix://${folder}/api.sock`;
  cleanups = [];
});
afterEach(async () => {
  for (const cleanup of cleanups.reverse()) await cleanup();
  await rm(folder, { recursive: true });
});

async function start(options: Partial<DevWorkloadApiOptions> = {}): Promise<TestWorkloadApi> {
  const api = await TestWorkloadApi.start({ address, identities: [{ path: '/web', hint: 'w' }, { path: '/api' }], ...options });
  cleanups.push(() => api.close());
  return api;
}

function connect(): Client {
  const client = new Client(address, credentials.createInsecure());
  cleanups.push(() => client.close());
  return client;
}

/** The messages of a stream one by one; the status that ends it is thrown. */
function open<Name extends keyof Messages>(name: string, _response: Name, metadata = HEADER): AsyncIterator<Messages[Name]> {
  const { path, requestSerialize, responseDeserialize } = method<object, Messages[Name]>('SpiffeWorkloadAPI', name);
  const call: ClientReadableStream<Messages[Name]> = connect().makeServerStreamRequest(
    path,
    requestSerialize,
    responseDeserialize,
    {},
    metadata,
  );
  cleanups.push(() => call.cancel());
  return call[Symbol.asyncIterator]();
}

const openX509Svid = () => open('FetchX509SVID', 'X509SVIDResponse');

function unary<Request extends keyof Messages, Response extends keyof Messages>(
  name: string,
  _request: Request,
  _response: Response,
  request: Messages[Request],
  metadata = HEADER,
): Promise<Messages[Response]> {
  const { path, requestSerialize, responseDeserialize } = method<Messages[Request], Messages[Response]>(
    'SpiffeWorkloadAPI',
    name,
  );
  return new Promise((resolve, reject) => {
    connect().makeUnaryRequest(path, requestSerialize, responseDeserialize, request, metadata, (error, response) =>
      response === undefined ? reject(error) : resolve(response),
    );
  });
}

const fetchJwtSvid = (audience: string[], spiffe_id = '') =>
  unary('FetchJWTSVID', 'JWTSVIDRequest', 'JWTSVIDResponse', { audience, spiffe_id });
const validateJwtSvid = (audience: string, svid: string) =>
  unary('ValidateJWTSVID', 'ValidateJWTSVIDRequest', 'ValidateJWTSVIDResponse', { audience, svid });

async function next<T>(stream: AsyncIterator<T>): Promise<T> {
  const { done, value } = await stream.next();
  if (done) throw new Error('the stream ended');
  return value;
}

async function endOf(stream: AsyncIterator<unknown>): Promise<ServiceError | undefined> {
  try {
    while (!(await stream.next()).done);
    return undefined;
  } catch (error) {
    return error as ServiceError;
  }
}

/** Concatenated DER: each certificate says its own length. */
function certificates(der: Uint8Array): X509Certificate[] {
  const found: X509Certificate[] = [];
  for (let rest = Buffer.from(der); rest.length > 0; rest = rest.subarray(4 + rest.readUInt16BE(2))) {
    found.push(new X509Certificate(rest));
  }
  return found;
}

const first = (response: X509SVIDResponse): X509SVID => response.svids[0] as X509SVID;
const leafOf = (response: X509SVIDResponse): X509Certificate => certificates(first(response).x509_svid)[0] as X509Certificate;
const bundleOf = (response: X509SVIDResponse): X509Certificate[] => certificates(first(response).bundle);

describe('every call', () => {
  const bare = new Metadata();

  test.for([
    ['FetchX509SVID', 'X509SVIDResponse'],
    ['FetchX509Bundles', 'X509BundlesResponse'],
    ['FetchJWTBundles', 'JWTBundlesResponse'],
  ] as const)('%s without the security header is an invalid argument', async ([name, response]) => {
    await start();
    expect(await endOf(open(name, response, bare))).toMatchObject({ code: status.INVALID_ARGUMENT });
  });

  test('a unary call without the security header is an invalid argument', async () => {
    await start();
    const call = unary('FetchJWTSVID', 'JWTSVIDRequest', 'JWTSVIDResponse', { audience: ['a'], spiffe_id: '' }, bare);
    await expect(call).rejects.toMatchObject({ code: status.INVALID_ARGUMENT });
  });
});

describe('FetchX509SVID', () => {
  test('sends every identity in order, with its hint', async () => {
    await start();
    const { svids } = await next(openX509Svid());
    expect(svids.map(({ spiffe_id, hint }) => [spiffe_id, hint])).toEqual([
      [WEB, 'w'],
      [API, ''],
    ]);
  });

  test('the SVID is signed by the authority in its bundle', async () => {
    await start();
    const response = await next(openX509Svid());
    const [root] = bundleOf(response) as [X509Certificate];
    expect(leafOf(response).checkIssued(root) && leafOf(response).verify(root.publicKey)).toBe(true);
  });

  test('the SVID names its SPIFFE ID and nothing else', async () => {
    await start();
    expect(leafOf(await next(openX509Svid())).subjectAltName).toBe(`URI:${WEB}`);
  });

  test('the key is that of the leaf, in PKCS#8', async () => {
    await start();
    const response = await next(openX509Svid());
    const key = createPrivateKey({ key: Buffer.from(first(response).x509_svid_key), format: 'der', type: 'pkcs8' });
    expect(leafOf(response).checkPrivateKey(key)).toBe(true);
  });

  test('the serials told are those served', async () => {
    const api = await start();
    expect(leafOf(await next(openX509Svid())).serialNumber).toBe(api.serials().get(WEB));
  });

  test('with an intermediate, the chain leads through it to the root in the bundle', async () => {
    await start({ intermediate: true });
    const response = await next(openX509Svid());
    const [leaf, intermediate] = certificates(first(response).x509_svid) as [X509Certificate, X509Certificate];
    const [root] = bundleOf(response) as [X509Certificate];
    expect([leaf.verify(intermediate.publicKey), intermediate.verify(root.publicKey)]).toEqual([true, true]);
  });

  test('federated bundles come under the SPIFFE ID of their trust domain', async () => {
    await start({ federated: ['partner.test'] });
    const { federated_bundles } = await next(openX509Svid());
    const [root] = certificates(federated_bundles['spiffe://partner.test'] as Uint8Array) as [X509Certificate];
    expect(root.subjectAltName).toBe('URI:spiffe://partner.test');
  });

  test('without identities a new stream is denied', async () => {
    await start({ identities: [] });
    expect(await endOf(openX509Svid())).toMatchObject({ code: status.PERMISSION_DENIED, details: 'no identity issued' });
  });

  test('taking all identities away sends an open stream a message without SVIDs', async () => {
    const api = await start();
    const stream = openX509Svid();
    await next(stream);
    await api.setIdentities([]);
    expect((await next(stream)).svids).toEqual([]);
  });

  test('an identity that stays keeps its SVID when others come and go', async () => {
    const api = await start();
    const before = api.serials().get(WEB);
    await api.setIdentities([{ path: '/new' }, { path: '/web' }]);
    expect(api.serials().get(WEB)).toBe(before);
  });
});

describe('rotation', () => {
  test('runs on the clock, at half of the time to live', async () => {
    const clock = new ManualClock();
    await start({ clock, svidTtlMs: 60_000 });
    const stream = openX509Svid();
    const before = leafOf(await next(stream)).serialNumber;
    clock.advance(30_000);
    expect(leafOf(await next(stream)).serialNumber).not.toBe(before);
  });

  test('replaces the authority before it ends', async () => {
    const clock = new ManualClock();
    await start({ clock, svidTtlMs: 60_000, caTtlMs: 120_000 });
    const stream = openX509Svid();
    const [old] = bundleOf(await next(stream)) as [X509Certificate];
    for (let tick = 0; tick < 3; tick += 1) {
      clock.advance(30_000);
      await next(stream);
    }
    clock.advance(30_000);
    const response = await next(stream);
    const [current, ...others] = bundleOf(response) as [X509Certificate, ...X509Certificate[]];
    expect([
      leafOf(response).checkIssued(current),
      [current, ...others].some((root) => root.fingerprint256 === old.fingerprint256),
    ]).toEqual([true, false]);
  });

  test('leaves the bundle streams in peace', async () => {
    const api = await start();
    const stream = open('FetchX509Bundles', 'X509BundlesResponse');
    await next(stream);
    await api.rotate();
    await api.federate('partner.test');
    expect(Object.keys((await next(stream)).bundles)).toContain('spiffe://partner.test');
  });
});

describe('an authority is rolled', () => {
  test('prepare, activate and retire each send one message', async () => {
    const api = await start();
    const stream = openX509Svid();
    const [old] = bundleOf(await next(stream)) as [X509Certificate];
    const seen: [number, boolean][] = [];
    for (const step of [() => api.prepareAuthority(), () => api.activateAuthority(), () => api.retireAuthority()]) {
      await step();
      const response = await next(stream);
      seen.push([bundleOf(response).length, leafOf(response).checkIssued(old)]);
    }
    expect(seen).toEqual([
      [2, true],
      [2, false],
      [1, false],
    ]);
  });

  test('in one message, the hard case: new SVIDs with both authorities', async () => {
    const api = await start();
    const stream = openX509Svid();
    await next(stream);
    await api.rollAuthority();
    const response = await next(stream);
    expect(bundleOf(response).map((root) => leafOf(response).checkIssued(root))).toEqual([false, true]);
  });
});

describe('a peer of another trust domain', () => {
  test('has an SVID of the authority that is federated', async () => {
    const api = await start({ federated: ['partner.test'] });
    const { chainPem, bundlePem } = await api.issueForeign('partner.test', '/api');
    const { federated_bundles } = await next(openX509Svid());
    const [root] = certificates(federated_bundles['spiffe://partner.test'] as Uint8Array) as [X509Certificate];
    expect([new X509Certificate(chainPem).verify(root.publicKey), bundlePem]).toEqual([true, root.toString()]);
  });

  test('is trusted no longer once it is not federated', async () => {
    const api = await start({ federated: ['partner.test'] });
    await api.unfederate('partner.test');
    expect((await next(openX509Svid())).federated_bundles).toEqual({});
  });
});

describe('revocation', () => {
  test('puts the serial on a CRL signed by the authority', async () => {
    const api = await start();
    const revoked = api.serials().get(WEB) as string;
    await api.revoke(WEB);
    const response = await next(openX509Svid());
    const crl = new x509.X509Crl(Buffer.from(response.crl[0] as Uint8Array));
    const [root] = bundleOf(response) as [X509Certificate];
    expect([await crl.verify({ publicKey: new x509.X509Certificate(root.raw) }), crl.findRevoked(revoked) !== null]).toEqual([
      true,
      true,
    ]);
  });

  test('there is no CRL before', async () => {
    await start();
    expect((await next(openX509Svid())).crl).toEqual([]);
  });
});

describe('FetchX509Bundles', () => {
  test('sends our own bundle and the federated ones', async () => {
    await start({ federated: ['partner.test'] });
    const { bundles } = await next(open('FetchX509Bundles', 'X509BundlesResponse'));
    expect(new Set(Object.keys(bundles))).toEqual(new Set(['spiffe://example.org', 'spiffe://partner.test']));
  });
});

describe('JWT-SVIDs', () => {
  test('of all identities, when none is asked for, for exactly the audience', async () => {
    await start();
    const { svids } = await fetchJwtSvid(['payments', 'orders']);
    const { bundles } = await next(open('FetchJWTBundles', 'JWTBundlesResponse'));
    const keys = createLocalJWKSet(JSON.parse(Buffer.from(bundles['spiffe://example.org'] as Uint8Array).toString()));
    const payloads = await Promise.all(svids.map(async ({ svid }) => (await jwtVerify(svid, keys)).payload));
    expect(payloads.map(({ sub, aud }) => [sub, aud])).toEqual([
      [WEB, ['payments', 'orders']],
      [API, ['payments', 'orders']],
    ]);
  });

  test('only the one that is asked for', async () => {
    await start();
    expect((await fetchJwtSvid(['payments'], API)).svids.map(({ spiffe_id }) => spiffe_id)).toEqual([API]);
  });

  test('without an audience are an invalid argument', async () => {
    await start();
    await expect(fetchJwtSvid([])).rejects.toMatchObject({ code: status.INVALID_ARGUMENT });
  });

  test("of somebody else's identity are denied", async () => {
    await start();
    await expect(fetchJwtSvid(['payments'], 'spiffe://example.org/root')).rejects.toMatchObject({
      code: status.PERMISSION_DENIED,
    });
  });

  test('are validated into the SPIFFE ID and the claims', async () => {
    await start();
    const [svid] = (await fetchJwtSvid(['payments'])).svids;
    const { spiffe_id, claims } = await validateJwtSvid('payments', svid?.svid ?? '');
    expect([spiffe_id, claims?.fields['sub']?.string_value, claims?.fields['aud']?.list_value?.values[0]?.string_value]).toEqual([
      WEB,
      WEB,
      'payments',
    ]);
  });

  test('for another audience do not validate', async () => {
    await start();
    const [svid] = (await fetchJwtSvid(['payments'])).svids;
    await expect(validateJwtSvid('orders', svid?.svid ?? '')).rejects.toMatchObject({ code: status.INVALID_ARGUMENT });
  });
});

describe('misbehaviour', () => {
  test('held streams get the newest message on release, and only that', async () => {
    const api = await start();
    api.hold();
    const stream = openX509Svid();
    const message = next(stream);
    await api.streamOpened();
    await api.rotate();
    api.release();
    expect(leafOf(await message).serialNumber).toBe(api.serials().get(WEB));
  });

  test('deny ends open streams and refuses new ones, until allow', async () => {
    const api = await start();
    const stream = openX509Svid();
    await next(stream);
    api.deny();
    const denied = [(await endOf(stream))?.code, (await endOf(openX509Svid()))?.code];
    api.allow();
    expect([...denied, (await next(openX509Svid())).svids.length]).toEqual([
      status.PERMISSION_DENIED,
      status.PERMISSION_DENIED,
      2,
    ]);
  });

  test.for([
    ['UNAVAILABLE by default', undefined, status.UNAVAILABLE],
    ['the status given', status.RESOURCE_EXHAUSTED, status.RESOURCE_EXHAUSTED],
    ['OK', status.OK, undefined],
  ] as const)('streams end with %s', async ([, code, seen]) => {
    const api = await start();
    const stream = openX509Svid();
    await next(stream);
    api.endStreams(code);
    expect((await endOf(stream))?.code).toBe(seen);
  });

  test('sends raw bytes as a message', async () => {
    const api = await start();
    const stream = openX509Svid();
    await next(stream);
    api.sendRaw(Buffer.from([0xff, 0xff, 0xff]));
    expect(await endOf(stream)).toMatchObject({ details: expect.stringContaining('parsing') });
  });

  test('sends a doctored response', async () => {
    const api = await start();
    const stream = openX509Svid();
    await next(stream);
    api.send((response) => ({ ...response, svids: response.svids.slice(1) }));
    expect((await next(stream)).svids.map(({ spiffe_id }) => spiffe_id)).toEqual([API]);
  });

  test('counts open streams, and forgets those that the client left', async () => {
    const api = await start();
    const client = connect();
    const { path, requestSerialize, responseDeserialize } = method<object, X509SVIDResponse>(
      'SpiffeWorkloadAPI',
      'FetchX509SVID',
    );
    const call = client.makeServerStreamRequest(path, requestSerialize, responseDeserialize, {}, HEADER);
    call.on('error', () => {});
    await api.streamOpened();
    const opened = api.connections;
    call.cancel();
    await expect.poll(() => [opened, api.connections]).toEqual([1, 0]);
  });
});

describe('the socket', () => {
  const path = () => join(folder, 'api.sock');

  function listenAt(file: string): Promise<Server> {
    const server = createServer();
    return new Promise((resolve) => server.listen(file, () => resolve(server)));
  }

  test('is open to everybody by default', async () => {
    await start();
    expect((await stat(path())).mode & 0o777).toBe(0o777);
  });

  test('has the mode that was asked for', async () => {
    await start({ mode: 0o600 });
    expect((await stat(path())).mode & 0o777).toBe(0o600);
  });

  test('is not taken from a server that answers', async () => {
    const other = await listenAt(path());
    cleanups.push(() => other.close());
    await expect(start()).rejects.toMatchObject({ code: 'listen_failed', message: expect.stringContaining(path()) });
  });

  test('is not taken from a file', async () => {
    await writeFile(path(), 'mine');
    await expect(start()).rejects.toMatchObject({ code: 'listen_failed' });
  });

  test('replaces one that nobody listens on', async () => {
    const dead = await listenAt(join(folder, 'dead.sock'));
    await link(join(folder, 'dead.sock'), path());
    await new Promise((resolve) => dead.close(resolve));
    await start();
    expect((await next(openX509Svid())).svids).toHaveLength(2);
  });

  test('is gone after close, with streams open', async () => {
    const api = await start();
    const stream = openX509Svid();
    await next(stream);
    await api.close();
    expect([(await endOf(stream))?.code, await stat(path()).catch((error) => error.code)]).toEqual([
      status.UNAVAILABLE,
      'ENOENT',
    ]);
  });

  test('must be an absolute unix path', async () => {
    await expect(start({ address: 'unix:api.sock' })).rejects.toMatchObject({ code: 'endpoint_invalid' });
  });

  test('cannot be had in a folder that is no folder', async () => {
    await writeFile(join(folder, 'file'), '');
    await expect(start({ address: `unix://${folder}/file/api.sock` })).rejects.toMatchObject({ code: 'listen_failed' });
  });
});
