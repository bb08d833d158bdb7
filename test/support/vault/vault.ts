/** A real OpenBao, in its development mode: in memory, unsealed, with TLS and a root token. */
import { readFile } from 'node:fs/promises';
import { Agent, request } from 'node:https';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { findOpenBao } from '../../../deploy/integrations/vault/install.ts';
import { describeWith } from '../describe-with.ts';
import { freePort } from '../free-port.ts';
import type { TlsIdentity } from '../mesh/mtls-client.ts';
import { Child } from '../sidecar/child.ts';

/** What it said to a request. */
export interface VaultReply {
  readonly status: number | undefined;
  readonly errors: readonly string[];
  /** Of a login. */
  readonly auth?: { readonly client_token: string; readonly metadata: Readonly<Record<string, string>> };
  /** Of a secret of the engine kv, version 2. */
  readonly data?: { readonly data?: Readonly<Record<string, string>> };
}

const ROOT_TOKEN = 'root';

/** The tests, where there is an OpenBao. */
export function describeWithVault() {
  return describeWith(findOpenBao(), 'there is no OpenBao here: npm run openbao gets it, or put a bao on the PATH');
}

export class Vault implements AsyncDisposable {
  readonly port: number;
  /** PEM: of whoever issued its certificate. */
  readonly caFile: string;
  readonly #child: Child;
  readonly #ca: string;

  private constructor(child: Child, port: number, caFile: string, ca: string) {
    this.#child = child;
    this.port = port;
    this.caFile = caFile;
    this.#ca = ca;
  }

  /** @param folder of its certificates */
  static async start(folder: string): Promise<Vault> {
    const port = await freePort();
    const options = [`-dev-listen-address=127.0.0.1:${port}`, `-dev-root-token-id=${ROOT_TOKEN}`, '-dev-no-store-token'];
    const tls = ['-dev-tls', `-dev-tls-cert-dir=${folder}`];
    const child = new Child(findOpenBao() ?? 'bao', ['server', '-dev', ...options, ...tls]);
    try {
      await child.written(/Development mode should NOT be used in production/);
      const caFile = join(folder, 'vault-ca.pem');
      return new Vault(child, port, caFile, await readFile(caFile, 'utf8'));
    } catch (thrown) {
      await child.stop();
      throw thrown;
    }
  }

  /**
   * As its operator.
   * @throws when it does not take that
   */
  async write(path: string, data: object): Promise<void> {
    const { status, errors } = await this.ask(path, data, { headers: { 'x-vault-token': ROOT_TOKEN } });
    if (status === undefined || status >= 300) throw new Error(`OpenBao did not take ${path}: ${status} ${errors.join(', ')}`);
  }

  /**
   * Past every Envoy.
   * @param identity left out: no certificate is shown
   */
  async ask(
    path: string,
    data: object,
    { identity, headers = {} }: { readonly identity?: TlsIdentity; readonly headers?: Readonly<Record<string, string>> } = {},
  ): Promise<VaultReply> {
    const certificate = identity === undefined ? {} : { cert: identity.chainPem, key: identity.keyPem };
    const agent = new Agent({ ca: this.#ca, ...certificate });
    const sent = request({ host: 'localhost', port: this.port, path: `/v1/${path}`, method: 'POST', agent, headers });
    const replied = new Promise<VaultReply>((resolve, reject) => {
      sent.once('error', reject);
      sent.once('response', (response) => {
        text(response).then((body) => resolve(replyOf(response.statusCode, body)), reject);
      });
    });
    sent.end(JSON.stringify(data));
    try {
      return await replied;
    } finally {
      agent.destroy();
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#child.stop();
  }
}

export function replyOf(status: number | undefined, body: string): VaultReply {
  return { status, errors: [], ...(body === '' ? {} : JSON.parse(body)) };
}
