/** Whoever starts, stops or comes late: the others go on, and catch up. */
import { expect, it } from 'vitest';
import { eventually } from '../../support/eventually.ts';
import { describeWithEnvoy } from '../../support/mesh/envoy.ts';
import { BACKEND, FRONTEND, Stage, startMesh } from '../../support/mesh/mesh.ts';
import { SteadyLoad } from '../../support/mesh/steady-load.ts';

const CONNECTED = 'sds.spiffe_example.org/backend.control_plane.connected_state';

describeWithEnvoy()('a restart', () => {
  it('of an Envoy: the new one gets its secrets, and the next rotation', async () => {
    await using mesh = await startMesh();
    const { workloadApi, serverPort, url } = mesh;
    await mesh.server.stop();
    const restarted = await mesh.stage.startServer({ port: serverPort });
    await restarted.live();
    await eventually('a request through the restarted Envoy', async () => (await fetch(url)).status === 200 || undefined);

    await workloadApi.rotate();
    await expect(restarted.presents(workloadApi.serials().get(BACKEND))).resolves.toBeUndefined();
  });

  it('of the sidecar: Envoys lose no request meanwhile, and get the next rotation from the new one', async () => {
    await using mesh = await startMesh();
    const { workloadApi, sidecar, server, client, url } = mesh;
    await using load = new SteadyLoad(url);
    await load.more(50);
    expect(await sidecar.stop()).toBe(0);
    await server.waitForStat(CONNECTED, (connected) => connected === 0);
    await load.more(50);
    await mesh.stage.startSidecar();
    await server.waitForStat(CONNECTED, (connected) => connected === 1);

    await workloadApi.rotate();
    await server.presents(workloadApi.serials().get(BACKEND));
    await client.presents(workloadApi.serials().get(FRONTEND));
    await load.more(50);
    await load.stop();
    expect(load.failures).toEqual(new Map());
  });
});

describeWithEnvoy()('a late start', () => {
  it('of the sidecar: an Envoy that waits for it gets its secrets', async () => {
    await using stage = await Stage.prepare();
    const workloadApi = await stage.startWorkloadApi();
    const server = await stage.startServer();
    expect(await server.state()).not.toBe('LIVE');

    await stage.startSidecar();
    await server.live();
    await expect(server.presents(workloadApi.serials().get(BACKEND))).resolves.toBeUndefined();
  });

  it('of the Workload API: an Envoy that waits on the sidecar gets its secrets', async () => {
    await using stage = await Stage.prepare();
    await stage.startSidecar();
    const server = await stage.startServer();
    await server.waitForStat(CONNECTED, (connected) => connected === 1);
    expect(await server.state()).not.toBe('LIVE');

    const workloadApi = await stage.startWorkloadApi();
    await server.live();
    await expect(server.presents(workloadApi.serials().get(BACKEND))).resolves.toBeUndefined();
  });
});
