/** The messages of Envoy that docs/troubleshooting.md quotes, as a real Envoy says them, and what doctor says meanwhile. */
import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import { createServer } from 'node:http2';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { DoctoredSystem } from '../../support/doctor/doctored-system.ts';
import { eventually } from '../../support/eventually.ts';
import { clientBootstrap, serverBootstrap } from '../../support/mesh/bootstrap.ts';
import { describeWithEnvoy, Envoy } from '../../support/mesh/envoy.ts';
import { FRONTEND } from '../../support/mesh/mesh.ts';

const PAGE = join(import.meta.dirname, '..', '..', '..', 'docs', 'troubleshooting.md');
const UNAUTHENTICATED = '16';

describeWithEnvoy()('docs/troubleshooting.md has what Envoy says', () => {
  let system: DoctoredSystem;
  let port: number;
  beforeAll(async () => {
    system = await DoctoredSystem.prepare();
    await system.startWorkloadApi({ identities: [{ path: '/backend' }, { path: '/frontend' }], federated: ['partner.test'] });
    await system.startSidecar();
    await system.startEnvoy();
    await system.envoy.live();
    port = await system.envoy.port('mtls');
  });
  afterAll(() => system[Symbol.asyncDispose]());

  it.each([
    [
      'for a certificate that nobody serves',
      FRONTEND,
      'spiffe://example.org/nobody',
      'Secret is not supplied by SDS',
      'names.not_registered',
    ],
    [
      'for a peer whose authority it was not given',
      'name: spiffe://example.org\n',
      'name: spiffe://partner.test\n',
      'CERTIFICATE_VERIFY_FAILED',
      undefined,
    ],
  ])('%s', async (_, name, instead, message, cause) => {
    const text = String(await clientBootstrap(system.sdsSocket, port))
      .replaceAll(name, instead)
      .replace('%UPSTREAM_PEER_URI_SAN%', '%UPSTREAM_TRANSPORT_FAILURE_REASON%');
    await using envoy = await Envoy.start(text.replace('initial_fetch_timeout: 15s', 'initial_fetch_timeout: 0.1s'));
    await envoy.live();
    const url = `http://127.0.0.1:${await envoy.port('plain')}/`;
    await eventually(message, async () => {
      const reason = (await fetch(url)).headers.get('x-upstream-uri-san') ?? '';
      // A header has no spaces; the log has them.
      return reason.includes(message) || reason.replaceAll('_', ' ').includes(message) ? true : undefined;
    });
    const { causes } = await system.diagnose('--envoy-admin', envoy.adminUrl);
    expect(causes).toEqual(cause === undefined ? [] : [cause]);
    await quotes(message);
  });

  it.each([
    ['that is not there', (path: string) => `${path}.none`, 'immediate_connect_error:_No_such_file_or_directory', ': 14,'],
    ['that ends its calls with UNAUTHENTICATED', (path: string) => `${path}.other`, 'closed: 16', 'closed: 16'],
  ])('for a socket %s', async (_, moved, quoted, said) => {
    const path = moved(system.sdsSocket);
    await using _server = await ending(`${system.sdsSocket}.other`, UNAUTHENTICATED);
    const bootstrap = await serverBootstrap(path);
    await using envoy = await Envoy.start(String(bootstrap));
    const line = await eventually(said, async () => /.*StreamSecrets gRPC config stream.*closed.*/.exec(envoy.log)?.[0]);
    expect(line).toContain(said);
    expect((await system.diagnose('--envoy-admin', envoy.adminUrl)).causes).toEqual(['envoy.other_socket']);
    await quotes(quoted);
  });
});

async function quotes(message: string): Promise<void> {
  expect(await readFile(PAGE, 'utf8')).toContain(message);
}

/** A gRPC server that ends each call with this status. */
async function ending(path: string, status: string): Promise<AsyncDisposable> {
  const server = createServer();
  server.on('stream', (stream) =>
    stream
      .on('error', () => undefined)
      .respond(
        { ':status': 200, 'content-type': 'application/grpc', 'grpc-status': status, 'grpc-message': 'no token' },
        { endStream: true },
      ),
  );
  await once(server.listen(path), 'listening');
  return { [Symbol.asyncDispose]: () => new Promise((closed) => server.close(() => closed())) };
}
