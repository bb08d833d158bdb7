/** An application that reaches OpenBao through its Envoy, with the files of deploy/integrations/vault. */
import { mkdtempDisposable, readFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parse } from 'yaml';
import { eventually } from '../eventually.ts';
import { Envoy } from '../mesh/envoy.ts';
import { SidecarProcess } from '../sidecar/sidecar-process.ts';
import { TestWorkloadApi } from '../workload-api/test-workload-api.ts';
import { replyOf, Vault, type VaultReply } from './vault.ts';

const FILES = join(import.meta.dirname, '..', '..', '..', 'deploy', 'integrations', 'vault');

/** By the name of the listener. */
export type Way = 'certificate' | 'token';

export interface VaultStage extends AsyncDisposable {
  readonly workloadApi: TestWorkloadApi;
  readonly vault: Vault;
  readonly envoy: Envoy;
  /** Sends what the application sends, without credentials: through Envoy. */
  ask(way: Way, method: string, path: string, more?: { readonly data?: object; readonly headers?: object }): Promise<VaultReply>;
  /** How many keys OpenBao is told when it asks. */
  keys(): Promise<number>;
  /** Tells OpenBao the authorities of the trust domain. */
  trust(): Promise<void>;
}

/** With both ways set up as docs/integrations/vault.md says. */
export async function startVaultStage(): Promise<VaultStage> {
  await using parts = new AsyncDisposableStack();
  const folder = parts.use(await mkdtempDisposable(join(tmpdir(), 'vault-'))).path;
  const address = `unix://${folder}/workload.sock`;
  const workloadApi = parts.use(
    await TestWorkloadApi.start({
      address,
      identities: [{ path: '/backend' }],
      dnsNames: ['backend.example.org'],
      rotateEveryMs: 0,
    }),
  );
  const vault = parts.use(await Vault.start(folder));
  const configuration = (await readFile(join(FILES, 'spiffe-sds.yaml'), 'utf8')).replaceAll('/run/spiffe-sds', folder);
  const sidecar = parts.use(await SidecarProcess.start(address, join(folder, 'sds.sock'), parse(configuration)));
  await sidecar.event(({ event }) => event === 'jwks_listening');
  const bootstrap = (await readFile(join(FILES, 'envoy.yaml'), 'utf8'))
    .replaceAll(/(path: |filename: )([\w-]+\.(?:sock|pem))/g, `$1${folder}/$2`)
    .replaceAll(/port_value: (?!8200)\d+/g, 'port_value: 0')
    .replace('port_value: 8200', `port_value: ${vault.port}`)
    // A rotation shows on a new connection.
    .replace('max_connection_duration: 300s', 'max_connection_duration: 0.1s');
  const envoy = parts.use(await Envoy.start(bootstrap));
  await envoy.live();
  const ports = { certificate: await envoy.port('certificate'), token: await envoy.port('token') };
  const trust = async () => {
    const { bundlePem } = await workloadApi.issueForeign('example.org', '/any');
    await vault.write('auth/cert/certs/backend', {
      certificate: bundlePem,
      allowed_uri_sans: 'spiffe://example.org/backend',
      token_policies: 'backend',
      token_ttl: '10m',
    });
  };
  await vault.write('secret/data/backend', { data: { password: 'hunter2' } });
  await vault.write('sys/policies/acl/backend', { policy: 'path "secret/data/backend" { capabilities = ["read"] }' });
  await vault.write('sys/auth/cert', { type: 'cert' });
  await trust();
  await vault.write('sys/auth/jwt', { type: 'jwt' });
  const jwks = `http://127.0.0.1:${await envoy.port('jwks')}/v1/jwks/example.org`;
  const keys = async () => ((await (await fetch(jwks)).json()) as { readonly keys: readonly unknown[] }).keys.length;
  await eventually('a key', async () => ((await keys()) === 1 ? true : undefined));
  await vault.write('auth/jwt/config', { jwks_url: jwks });
  await vault.write('auth/jwt/role/backend', {
    role_type: 'jwt',
    bound_audiences: 'openbao',
    bound_subject: 'spiffe://example.org/backend',
    user_claim: 'sub',
    token_policies: 'backend',
    token_ttl: '10m',
  });
  const owned = parts.move();
  return {
    workloadApi,
    vault,
    envoy,
    keys,
    trust,
    async ask(way, method, path, { data, headers = {} } = {}) {
      const body = data === undefined ? null : JSON.stringify(data);
      const reply = await fetch(`http://127.0.0.1:${ports[way]}/v1/${path}`, { method, body, headers: { ...headers } });
      return replyOf(reply.status, await reply.text());
    },
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  };
}
