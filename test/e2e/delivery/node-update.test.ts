/** An update of the one spiffe-sds of a node, as a DaemonSet without a surge does it: the new one starts when the old one has ended. */
import { chmod } from 'node:fs/promises';
import { expect, it } from 'vitest';
import { DevBroker } from '../../../src/dev/dev-broker.ts';
import { describeWithEnvoy } from '../../support/mesh/envoy.ts';
import { BACKEND, FRONTEND, Stage } from '../../support/mesh/mesh.ts';
import { SteadyLoad } from '../../support/mesh/steady-load.ts';

const IDENTITIES = [{ path: '/spiffe-sds' }, { path: '/backend', of: { uid: 4001 } }, { path: '/frontend', of: { uid: 4002 } }];
const CONNECTED = 'sds.spiffe_example.org/backend.control_plane.connected_state';

const isRoot = process.getuid?.() === 0;
if (!isRoot) console.warn('SKIPPED: test/e2e/delivery/node-update.test.ts needs root, to be several users');

describeWithEnvoy()('an update of the spiffe-sds of a node', () => {
  it.runIf(isRoot)('loses no request, and the next rotation comes from the new one', async () => {
    await using stage = await Stage.prepare();
    await chmod(stage.folder, 0o755);
    const workloadApi = await stage.startWorkloadApi({ identities: IDENTITIES });
    const address = `unix://${stage.folder}/broker.sock`;
    await using _broker = await DevBroker.start({ address, workloadApi, admits: ['spiffe://example.org/spiffe-sds'] });
    const configuration = { mode: 'node', broker: { address }, sds: { mode: '0666' } };
    const old = await stage.startSidecar(configuration);
    const server = await stage.startServer({ uid: 4001 });
    const client = await stage.startClient(await server.port('mtls'), { uid: 4002 });
    await Promise.all([server.live(), client.live()]);
    await using load = new SteadyLoad(`http://127.0.0.1:${await client.port('plain')}/`);
    await load.more(50);

    // With a surge the new one would come while the old one is there. It does not take the socket away from it, and is never ready.
    await expect(stage.startSidecar(configuration)).rejects.toThrow(/another process answers there/);
    expect(await server.stat(CONNECTED)).toBe(1);

    expect(await old.stop()).toBe(0);
    await server.waitForStat(CONNECTED, (connected) => connected === 0);
    await workloadApi.rotate();
    await load.more(50);

    await stage.startSidecar(configuration);
    await server.presents(workloadApi.serials().get(BACKEND));
    await client.presents(workloadApi.serials().get(FRONTEND));
    await load.more(50);
    await workloadApi.rotate();
    await server.presents(workloadApi.serials().get(BACKEND));
    await client.presents(workloadApi.serials().get(FRONTEND));
    await load.more(50);
    await load.stop();
    expect(load.failures).toEqual(new Map());
  });
});
