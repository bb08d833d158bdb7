/** Two Envoys move from one trust domain to another while requests go on: no request is lost, and none waits for a restart. */
import { expect, it } from 'vitest';
import { eventually } from '../../support/eventually.ts';
import { clientBootstrap, serverBootstrap } from '../../support/mesh/bootstrap.ts';
import { describeWithEnvoy, Envoy } from '../../support/mesh/envoy.ts';
import { SteadyLoad } from '../../support/mesh/steady-load.ts';
import { startRunning } from '../../support/sidecar/sidecar.ts';
import { TestWorkloadApi } from '../../support/workload-api/test-workload-api.ts';

const OLD = 'unix://FOLDER/workload.sock';
const NEW = 'unix://FOLDER/new.sock';
const from = (...addresses: readonly string[]) =>
  `workload_api:\n${addresses.map((address) => `  - address: ${address}\n`).join('')}`;

/** The shipped bootstraps, whose Envoys take the default identity and trust each trust domain that there is. */
const moving = (bootstrap: unknown) =>
  String(bootstrap)
    .replace(/name: spiffe:\/\/example\.org\/(?:backend|frontend)/g, 'name: default')
    .replace(/name: spiffe:\/\/example\.org$/gm, 'name: ALL')
    .replace(/matcher: \{ (?:exact|prefix): "[^"]*" \}/g, 'matcher: { prefix: "spiffe://" }');

describeWithEnvoy()('a move to another trust domain', () => {
  it('loses no request', async () => {
    await using stack = new AsyncDisposableStack();
    let next: TestWorkloadApi | undefined;
    const running = stack.use(
      await startRunning({ trustDomain: 'old.test', identities: [{ path: '/web' }] }, from(OLD), undefined, async (_, folder) => {
        const address = `unix://${folder}/new.sock`;
        next = await TestWorkloadApi.start({
          address,
          trustDomain: 'new.test',
          identities: [{ path: '/web' }],
          rotateEveryMs: 0,
        });
        stack.use(next);
      }),
    );
    const server = stack.use(await Envoy.start(moving(await serverBootstrap(running.socket))));
    await server.live();
    const port = await server.port('mtls');
    const client = stack.use(await Envoy.start(moving(await clientBootstrap(running.socket, port))));
    await client.live();
    const url = `http://127.0.0.1:${await client.port('plain')}/`;
    const ask = async () => (await fetch(url)).headers;
    await eventually('an answer', async () => ((await fetch(url)).status === 200 ? true : undefined));
    await using load = new SteadyLoad(url);
    await load.more(20);

    running.configure(from(OLD, NEW));
    await eventually('both trust domains', async () => (running.observed.bundles.size === 2 ? true : undefined));
    await load.more(20);
    expect((await ask()).get('x-upstream-uri-san')).toBe('spiffe://old.test/web');

    running.configure(from(NEW, OLD));
    await eventually('the new identity at both ends', async () => {
      const headers = await ask();
      const ends = [headers.get('x-upstream-uri-san'), headers.get('x-peer-uri-san')];
      return ends.every((id) => id === 'spiffe://new.test/web') ? true : undefined;
    });
    await load.more(20);

    // The old one ends, and withdraws nothing.
    await running.workloadApi.close();
    await load.more(20);
    running.configure(from(NEW));
    await eventually('nothing of the old', async () => (running.observed.bundles.size === 1 ? true : undefined));
    await next?.rotate();
    await server.presents(next?.serials().get('spiffe://new.test/web'));
    await load.more(20);
    await load.stop();
    expect(load.failures).toEqual(new Map());
  });
});
