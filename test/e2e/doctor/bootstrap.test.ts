/** What `bootstrap` prints, run as it is by a real Envoy, with requests that it lets through and requests that it refuses. */
import { once } from 'node:events';
import { mkdtempDisposable } from 'node:fs/promises';
import type { IncomingMessage } from 'node:http';
import { request } from 'node:https';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { parse } from 'yaml';
import { run } from '../../../src/cli/program.ts';
import { freePort } from '../../support/free-port.ts';
import { describeWithEnvoy, Envoy, envoyVersions } from '../../support/mesh/envoy.ts';
import { SidecarProcess } from '../../support/sidecar/sidecar-process.ts';
import { TestWorkloadApi } from '../../support/workload-api/test-workload-api.ts';

const BACKEND = 'spiffe://example.org/backend';
const FRONTEND = 'spiffe://example.org/frontend';
const PARTNER = 'spiffe://partner.test/api';
const AUDIENCE = 'payments';

const PROTOCOLS = [
  ['state of the world', []],
  ['delta', ['--delta']],
  ['ADS', ['--ads']],
  ['delta ADS', ['--delta', '--ads']],
] as const;

const FEDERATION = ['--federate', 'partner.test'];
const RBAC = ['--allow', FRONTEND, '--allow', PARTNER];
const TOKENS = ['--jwt-audience', AUDIENCE, '--token-audience', AUDIENCE];

/** Status codes; `refused`: the connection. `itself` is the workload, through its own client. */
interface Outcome {
  readonly itself: number;
  readonly frontend: Reply;
  readonly frontendWithoutToken: Reply;
  readonly frontendWithAnotherToken: Reply;
  readonly partner: Reply;
  readonly stranger: Reply;
}
type Reply = number | 'refused';

const OPEN: Outcome = {
  itself: 200,
  frontend: 200,
  frontendWithoutToken: 200,
  frontendWithAnotherToken: 200,
  partner: 'refused',
  stranger: 'refused',
};
const FEATURES: readonly (readonly [string, readonly string[], Outcome])[] = [
  ['mutual TLS', [], OPEN],
  ['federation', FEDERATION, { ...OPEN, partner: 200 }],
  ['RBAC', RBAC, { ...OPEN, itself: 403 }],
  ['tokens', TOKENS, { ...OPEN, frontendWithoutToken: 401, frontendWithAnotherToken: 403 }],
  [
    'all at once',
    [...FEDERATION, ...RBAC, ...TOKENS],
    { ...OPEN, itself: 403, frontendWithoutToken: 401, frontendWithAnotherToken: 403, partner: 200 },
  ],
];

describe.each(envoyVersions().map((version) => ({ version, name: version ?? 'as found' })))('Envoy $name', ({ version }) => {
  describeWithEnvoy(version)('runs what bootstrap prints', () => {
    const parts = new AsyncDisposableStack();
    let folder: string;
    let workloadApi: TestWorkloadApi;

    beforeAll(async () => {
      folder = parts.use(await mkdtempDisposable(join(tmpdir(), 'bootstrap-'))).path;
      const address = `unix://${folder}/workload.sock`;
      const identities = [{ path: '/backend' }, { path: '/frontend' }];
      workloadApi = parts.use(
        await TestWorkloadApi.start({ address, identities, federated: ['partner.test'], rotateEveryMs: 0 }),
      );
      const configuration = { jwks: { listen: `unix://${folder}/jwks.sock` }, names: { jwt_audiences: [AUDIENCE] } };
      const sidecar = parts.use(await SidecarProcess.start(address, join(folder, 'sds.sock'), configuration));
      await sidecar.event(({ event }) => event === 'jwks_listening');
    });
    afterAll(() => parts.disposeAsync());

    async function started(svid: string, args: readonly string[]): Promise<Envoy> {
      const sockets = ['--config', join(folder, 'sds.sock.yaml'), '--listen', `unix://${folder}/sds.sock`];
      const envoy = await Envoy.start(await printed(svid, [...sockets, '--client-port', '0', ...args]), version);
      await envoy.live();
      return envoy;
    }

    describe.each(PROTOCOLS)('%s', (_, protocol) => {
      it.each(FEATURES)('a server and its client, with %s', async (_, feature, expected) => {
        const port = await freePort();
        const both = ['--role', 'both', '--peer', BACKEND, '--server-port', `${port}`, '--upstream', `127.0.0.1:${port}`];
        await using envoy = await started(BACKEND, [...both, ...protocol, ...feature]);
        const token = (trustDomain: string, path: string, audience: string) =>
          workloadApi.issueJwt(path, [audience], { trustDomain });
        const frontend = (bearer?: string) => call(port, 'example.org', '/frontend', bearer);
        const { status } = await fetch(`http://127.0.0.1:${await envoy.port('plain')}/`);
        expect({
          itself: status,
          frontend: await frontend(await token('example.org', '/frontend', AUDIENCE)),
          frontendWithoutToken: await frontend(),
          frontendWithAnotherToken: await frontend(await token('example.org', '/frontend', 'orders')),
          partner: await call(port, 'partner.test', '/api', await token('partner.test', '/api', AUDIENCE)),
          stranger: await call(port, 'stranger.test', '/api'),
        }).toEqual(expected);
        expect(envoy.log).not.toMatch(/\[(warning|error)\].*deprecated/);
      });

      it('a server, and another Envoy as its client, which talks to nobody else', async () => {
        await using server = await started(BACKEND, ['--role', 'server', '--server-port', '0', ...protocol]);
        const upstream = ['--role', 'client', '--upstream', `127.0.0.1:${await server.port('mtls')}`];
        await using client = await started(FRONTEND, [...upstream, '--peer', BACKEND, ...protocol]);
        expect(await (await fetch(`http://127.0.0.1:${await client.port('plain')}/`)).text()).toBe('it works\n');
        await server.presents(workloadApi.serials().get(BACKEND));
        await client.presents(workloadApi.serials().get(FRONTEND));
        if (protocol.length > 0) return;
        await using deceived = await started(FRONTEND, [...upstream, '--peer', 'spiffe://example.org/orders']);
        expect((await fetch(`http://127.0.0.1:${await deceived.port('plain')}/`)).status).toBe(503);
      });
    });

    /** A peer with an SVID of its own, on a connection of its own. */
    async function call(port: number, trustDomain: string, path: string, token?: string): Promise<Reply> {
      const { chainPem: cert, keyPem: key } = await workloadApi.issueForeign(trustDomain, path);
      const { bundlePem: ca } = await workloadApi.issueForeign('example.org', '/any');
      const headers = token === undefined ? {} : { authorization: `Bearer ${token}` };
      const options = { host: '127.0.0.1', port, agent: false, ca, cert, key, headers, checkServerIdentity: () => undefined };
      try {
        const [response] = (await once(request(options).end(), 'response')) as [IncomingMessage];
        response.resume();
        await once(response, 'end');
        return response.statusCode ?? 0;
      } catch {
        return 'refused';
      }
    }
  });
});

it('bootstrap prints JSON that is the same as its YAML', async () => {
  expect(JSON.parse(await printed(BACKEND, ['--output', 'json']))).toEqual(parse(await printed(BACKEND, [])));
});

it('says what the configuration of the sidecar needs for tokens', async () => {
  const head = (await printed(BACKEND, ['--role', 'both', '--peer', BACKEND, ...TOKENS])).split('\nnode:')[0] ?? '';
  const needed = head.split('\n').filter((line) => line.startsWith('#   '));
  expect(parse(needed.map((line) => line.slice(4)).join('\n'))).toEqual({
    jwks: { listen: 'unix:///run/spiffe-sds/jwks.sock' },
    names: { jwt_audiences: [AUDIENCE] },
  });
});

async function printed(svid: string, args: readonly string[]): Promise<string> {
  const written: string[] = [];
  const write = vi.spyOn(process.stdout, 'write').mockImplementation((text) => written.push(String(text)) > 0);
  try {
    await run(['node', 'spiffe-sds', 'bootstrap', svid, '--admin-port', '0', ...args]);
  } finally {
    write.mockRestore();
  }
  return written.join('');
}
