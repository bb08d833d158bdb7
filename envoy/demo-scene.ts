/** The demo's stage: a development Workload API here, the sidecar and two Envoys as processes, and the requests that are made of them. */
import { X509Certificate } from 'node:crypto';
import { mkdtempDisposable } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Document } from 'yaml';
import { DevWorkloadApi } from '../src/dev/dev-workload-api.ts';
import { messageOf } from '../src/error.ts';
import { clientBootstrap, serverBootstrap } from '../test/support/mesh/bootstrap.ts';
import { Envoy } from '../test/support/mesh/envoy.ts';
import { MtlsClient } from '../test/support/mesh/mtls-client.ts';
import { SidecarProcess } from '../test/support/sidecar/sidecar-process.ts';
import type { Observation } from './demo-tally.ts';

export const SVID_TTL_S = 30;
export const ROTATE_EVERY_S = 10;
const BACKEND = 'spiffe://example.org/backend';
const REQUEST_TIMEOUT_MS = 5_000;

/** Where the two Envoys listen, and for whom. */
export interface Scene {
  readonly url: string;
  readonly intruder: MtlsClient;
}

/**
 * Opens everything in `parts`, and says what it opened.
 * @throws when something does not start, or `signal` aborts meanwhile
 */
export async function openScene(parts: AsyncDisposableStack, say: (line: string) => void, signal: AbortSignal): Promise<Scene> {
  signal.throwIfAborted();
  const { promise: stopped, reject } = Promise.withResolvers<never>();
  stopped.catch(() => {});
  signal.addEventListener('abort', () => reject(signal.reason));
  const unlessStopped = <T>(step: Promise<T>): Promise<T> => Promise.race([step, stopped]);

  const { path: folder } = parts.use(await mkdtempDisposable(join(tmpdir(), 'spiffe-sds-demo-')));
  const address = `unix://${join(folder, 'workload.sock')}`;
  const socket = join(folder, 'sds.sock');
  const identities = [{ path: '/backend' }, { path: '/frontend' }];
  const workloadApi = parts.use(
    await DevWorkloadApi.start({ address, identities, svidTtlMs: SVID_TTL_S * 1000, rotateEveryMs: ROTATE_EVERY_S * 1000 }),
  );
  say(`  Workload API  ${address}  (development)`);
  const admin = `unix://${join(folder, 'admin.sock')}`;
  parts.use(await SidecarProcess.start(address, socket, { admin: { listen: admin } }));
  say(`  spiffe-sds    unix://${socket}  (the sidecar)`);

  const serverYaml = withCertificate(await serverBootstrap(socket), 'x-frontend-certificate', '%DOWNSTREAM_PEER_CERT%');
  const server = parts.use(await Envoy.start(serverYaml));
  const serverPort = await unlessStopped(server.port('mtls'));
  say(`  backend       https://127.0.0.1:${serverPort}  (an Envoy that asks for a certificate)`);
  const clientYaml = withCertificate(await clientBootstrap(socket, serverPort), 'x-backend-certificate', '%UPSTREAM_PEER_CERT%');
  const client = parts.use(await Envoy.start(clientYaml));
  await unlessStopped(Promise.all([server.live(), client.live()]));
  const url = `http://127.0.0.1:${await unlessStopped(client.port('plain'))}/`;
  say(`  frontend      ${url}  (an Envoy that calls the backend)`);
  say(`
Try it, in another terminal:

  curl ${url}      # through both Envoys
  curl -k https://127.0.0.1:${serverPort}/  # no certificate: refused
  npm run -s spiffe-sds -- get --watch --listen unix://${socket}
  npm run -s spiffe-sds -- status --admin ${admin}

Ctrl-C stops everything.
`);
  const { bundlePem } = await workloadApi.issueForeign('example.org', '/intruder');
  return { url, intruder: parts.use(new MtlsClient(serverPort, BACKEND, bundlePem)) };
}

/** Adds the certificate of the peer to each response. */
function withCertificate(bootstrap: Document, key: string, value: string): string {
  const manager = ['static_resources', 'listeners', 0, 'filter_chains', 0, 'filters', 0, 'typed_config'];
  bootstrap.addIn([...manager, 'route_config', 'response_headers_to_add'], { header: { key, value } });
  return String(bootstrap);
}

/** One request through both Envoys. */
export async function request(url: string): Promise<Observation> {
  try {
    const response = await fetch(url, { signal: AbortSignal.timeout(REQUEST_TIMEOUT_MS) });
    const body = await response.text();
    if (response.status !== 200) return { kind: 'failed', reason: `${response.status} ${body}` };
    const certificate = (side: string) =>
      new X509Certificate(decodeURIComponent(response.headers.get(`x-${side}-certificate`) ?? ''));
    return { kind: 'answered', frontend: certificate('frontend'), backend: certificate('backend') };
  } catch (thrown) {
    // fetch says only that it failed, its cause says why.
    return { kind: 'failed', reason: messageOf((thrown as Error).cause ?? thrown) };
  }
}

/** One request straight to the backend, without a certificate. */
export async function intrude(intruder: MtlsClient): Promise<Observation> {
  try {
    await intruder.get();
    return { kind: 'let_in' };
  } catch (thrown) {
    const { code = '', reason } = thrown as NodeJS.ErrnoException & { readonly reason?: string };
    // Only a refusal counts as one, not a backend that is gone.
    if (code.startsWith('ERR_SSL_') || code === 'ECONNRESET') return { kind: 'refused', reason: reason ?? code };
    return { kind: 'failed', reason: messageOf(thrown) };
  }
}
