/** Two Envoys with envoy/jwt.yaml, one that injects tokens and one that verifies them, and a sidecar of this process for both. */

import { once } from 'node:events';
import { mkdtempDisposable, writeFile } from 'node:fs/promises';
import { Agent, request } from 'node:https';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { DevWorkloadApiOptions } from '../../../src/dev/dev-workload-api.ts';
import { eventually } from '../eventually.ts';
import { SidecarProcess } from '../sidecar/sidecar-process.ts';
import { TestWorkloadApi } from '../workload-api/test-workload-api.ts';
import { partOf } from './bootstrap.ts';
import { Envoy } from './envoy.ts';

export interface TokenReply {
  readonly status: number | undefined;
  /** The SPIFFE ID that the application behind the callee is told. */
  readonly caller: string | undefined;
  readonly body: string;
}

export interface TokenStage extends AsyncDisposable {
  readonly workloadApi: TestWorkloadApi;
  readonly sidecar: SidecarProcess;
  readonly caller: Envoy;
  readonly callee: Envoy;
  /** Of the caller's listener. */
  readonly url: string;
  /** Sends a request to the callee with these headers, and not through the caller. */
  ask(headers: Readonly<Record<string, string>>): Promise<TokenReply>;
  /** Whether the callee takes this token. */
  verifies(token: string): Promise<number | undefined>;
}

const CONFIGURATION = { secrets: [{ name: 'payments-token', jwt_svid: { audience: ['payments'] } }] };

/** @param edit changes a bootstrap, as text */
export async function startTokenStage(
  version?: string,
  workload: Partial<DevWorkloadApiOptions> = {},
  edit: (bootstrap: string) => string = (bootstrap) => bootstrap,
): Promise<TokenStage> {
  await using parts = new AsyncDisposableStack();
  const folder = parts.use(await mkdtempDisposable(join(tmpdir(), 'tokens-'))).path;
  const address = `unix://${folder}/workload.sock`;
  const identities = [{ path: '/backend' }];
  const workloadApi = parts.use(await TestWorkloadApi.start({ address, identities, rotateEveryMs: 0, ...workload }));
  const configuration = { ...CONFIGURATION, jwks: { listen: `unix://${folder}/jwks.sock` } };
  const sidecar = parts.use(await SidecarProcess.start(address, join(folder, 'sds.sock'), configuration));
  const start = async (text: string) => parts.use(await Envoy.start(edit(text), version));
  const callee = await start(await partOf('jwt.yaml', 'callee', ['callee'], folder));
  const port = await callee.port('callee');
  const caller = await start(await partOf('jwt.yaml', 'caller', ['caller'], folder, port));
  await Promise.all([callee.live(), caller.live(), sidecar.event(({ event }) => event === 'jwks_listening')]);
  const { bundlePem } = await workloadApi.issueForeign('example.org', '/any');
  await writeFile(join(folder, 'bundle.pem'), bundlePem);
  const agent = new Agent({ ca: bundlePem, checkServerIdentity: () => undefined });
  parts.defer(() => agent.destroy());
  const ask: TokenStage['ask'] = async (headers) => {
    const asking = request({ host: '127.0.0.1', port, agent, headers });
    asking.end();
    const [response] = await once(asking, 'response');
    let body = '';
    for await (const chunk of response.setEncoding('utf8')) body += chunk;
    return { status: response.statusCode, caller: response.headers['x-caller'], body };
  };
  const verifies: TokenStage['verifies'] = async (token) => (await ask({ authorization: `Bearer ${token}` })).status;
  const url = `http://127.0.0.1:${await caller.port('caller')}/`;
  await eventually('a request with a token', async () => ((await fetch(url)).status === 200 ? true : undefined));
  const owned = parts.move();
  return { workloadApi, sidecar, caller, callee, url, ask, verifies, [Symbol.asyncDispose]: () => owned.disposeAsync() };
}
