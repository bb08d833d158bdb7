/** The pods of deploy/helm/example without a cluster: podman runs them as a kubelet would, with real Envoys, under load. */
import { readdir, readFile, readlink, writeFile } from 'node:fs/promises';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { findGoTool } from '../../../deploy/go-install.ts';
import { HELM } from '../../../deploy/helm/install.ts';
import { describeWithContainers } from '../../support/containers/describe.ts';
import { eventually } from '../../support/eventually.ts';
import { describeWithManifests, helmExample } from '../../support/kubernetes/objects.ts';
import type { Pod } from '../../support/kubernetes/pod.ts';
import { Shop } from '../../support/kubernetes/shop.ts';

const LIMIT_MS = 300_000;
/** Shorter than the chart's; longer than Shop takes to tell the Service, and than a hook takes to start on a busy machine. */
const DRAIN = 'spiffe-sds.envoy.drainSeconds=5';
const LOAD = 'client.intervalMs=5,client.concurrency=4';

const describeWithBoth = findGoTool(HELM) === undefined ? describeWithManifests() : describeWithContainers();

describeWithBoth('the pods of the example', () => {
  let shop: Shop;
  let client: Pod;
  beforeAll(async () => {
    shop = await Shop.open(await helmExample('--set', DRAIN, '--set', LOAD));
    await shop.start('server');
    await shop.start('server');
    client = await shop.start('client');
    await shop.answers(client, 20);
  }, LIMIT_MS);
  afterAll(() => shop?.[Symbol.asyncDispose](), LIMIT_MS);

  /** Every request of the client was answered, while that happened and a while after. */
  const losesNothing = async (what: () => Promise<unknown>) => {
    await what();
    await shop.answers(client, 50);
    expect(await shop.tally(client)).toMatchObject({ failed: 0, lastFailure: '' });
    for (const pod of [client, ...shop.pods('server')]) expect(await pod.dead(), pod.name).toEqual([]);
  };
  const endedWell = (pods: readonly Pod[]) => {
    for (const { exits, name } of pods)
      expect(exits, name).toMatchObject([
        { container: 'app', code: 0 },
        { container: 'envoy', code: 0 },
        { container: 'spiffe-sds', code: 0 },
      ]);
  };

  it('talk mutual TLS: the server learns who calls', async () => {
    expect((await shop.tally(client)).last).toMatch(
      /^hello spiffe:\/\/example\.org\/ns\/shop\/sa\/demo-client, this is demo-server-\d$/,
    );
  });

  it('cannot write on their file systems, and hold no capability', async () => {
    for (const container of ['spiffe-sds', 'envoy', 'app']) {
      const status = await client.exec(container, 'cat', '/proc/self/status');
      if (status.code === 0) expect(status.stdout).toMatch(/^CapEff:\s+0+$/m);
    }
    expect((await client.exec('app', 'touch', '/tmp/x')).stderr).toMatch(/Read-only file system/);
  });

  it('leave the admin interfaces to themselves: from outside there are probes and mutual TLS', async () => {
    const [server] = shop.pods('server');
    const at = (port: number, path: string) => fetch(`http://${server?.address}:${port}${path}`);
    await expect(at(8082, '/v1/status')).rejects.toThrow();
    await expect(at(9901, '/stats')).rejects.toThrow();
    await expect(at(8080, '/')).rejects.toThrow();
    expect([(await at(8083, '/v1/status')).status, (await at(8083, '/metrics')).status]).toEqual([404, 404]);
    expect([(await at(8002, '/ready')).status, (await at(8002, '/stats')).status]).toEqual([200, 404]);
  });

  it('a rollout of the servers loses no request', { timeout: LIMIT_MS }, async () => {
    const old = shop.pods('server');
    await losesNothing(() => shop.roll('server'));
    endedWell(old);
  });

  it('a sidecar that is killed is started again, and the next certificate reaches its Envoy', { timeout: LIMIT_MS }, async () => {
    const [server] = shop.pods('server') as [Pod, ...Pod[]];
    await losesNothing(async () => {
      process.kill(await server.pid('spiffe-sds'), 'SIGKILL');
      await eventually('a second start', async () => server.starts('spiffe-sds') === 2 || undefined);
      await server.ready();
      await shop.acknowledged(server, await shop.rotate('server'));
    });
    expect(server.starts('envoy')).toBe(1);
  });

  it('a sidecar that the kernel kills for its memory is started again, too', { timeout: LIMIT_MS }, async () => {
    await losesNothing(async () => {
      const hog = client.exec('spiffe-sds', 'node', '--eval', HOG);
      await spare(client);
      await eventually('a second start', async () => client.starts('spiffe-sds') === 2 || undefined);
      await hog;
      await client.ready();
      await shop.acknowledged(client, await shop.rotate('client'));
    });
    // By SIGKILL, which nobody here has sent.
    expect(client.exits).toEqual([{ container: 'spiffe-sds', code: 137 }]);
  });

  it('a node that is drained: servers go one after the other, and no request is lost', { timeout: LIMIT_MS }, async () => {
    const old = shop.pods('server').filter(({ exits }) => exits.length === 0);
    await losesNothing(() => shop.evict('server'));
    endedWell(old);
  });

  it('a client that ends gets the answer to its last request', { timeout: LIMIT_MS }, async () => {
    const told = client.log('app');
    await shop.remove(client);
    expect(JSON.parse((await told).trim().split('\n').at(-1) ?? '')).toMatchObject({ failed: 0 });
    endedWell([{ name: client.name, exits: client.exits.slice(1) } as unknown as Pod]);
  });
});

/** Waits for its cue, then takes more than the container may have. */
const HOG = `
  const { existsSync } = require('node:fs');
  const taken = [];
  const timer = setInterval(() => {
    if (!existsSync('/run/spiffe-sds/.hog')) return;
    for (;;) taken.push(Buffer.alloc(8 << 20, 1));
  }, 50);
`;

/** Lets the kernel choose the sidecar and not the hog, which has more. */
async function spare(pod: Pod): Promise<void> {
  const sidecar = await pod.pid('spiffe-sds');
  await eventually('the hog', async () => hogOf(sidecar));
  await writeFile(`/proc/${sidecar}/oom_score_adj`, '1000');
  await writeFile(`/proc/${sidecar}/root/run/spiffe-sds/.hog`, '');
}

async function hogOf(sidecar: number): Promise<number | undefined> {
  const namespace = await readlink(`/proc/${sidecar}/ns/pid`);
  for (const pid of (await readdir('/proc')).filter((name) => /^\d+$/.test(name))) {
    const command = await readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => '');
    if (!command.includes('.hog')) continue;
    if ((await readlink(`/proc/${pid}/ns/pid`).catch(() => '')) === namespace) return Number(pid);
  }
  return undefined;
}
