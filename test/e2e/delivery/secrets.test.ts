/** Which secrets an Envoy gets, when, and in which form. */
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { describeWithEnvoy } from '../../support/mesh/envoy.ts';
import { listenerLike } from '../../support/mesh/listener-like.ts';
import { BACKEND, callerOf, Stage } from '../../support/mesh/mesh.ts';
import { MtlsClient } from '../../support/mesh/mtls-client.ts';
import { ResourceFile } from '../../support/sds/resource-file.ts';
import { TestWorkloadApi } from '../../support/workload-api/test-workload-api.ts';

const LATE = 'spiffe://example.org/late';

describeWithEnvoy()('a name that the Workload API does not know', () => {
  it('holds back its own listener only, and is delivered on the open stream once it is known', async () => {
    await using stage = await Stage.prepare();
    const workloadApi = await stage.startWorkloadApi();
    await stage.startSidecar();
    const listeners = await ResourceFile.create('lds', stage.folder, 'listeners');
    let late = {};
    const server = await stage.startServer({
      edit(bootstrap) {
        late = listenerLike(bootstrap, 'late', { certificate: LATE });
        listeners.addTo(bootstrap);
      },
    });
    await server.live();
    await listeners.replace([late]);
    await server.waitForStat('listener_manager.total_listeners_warming', (warming) => warming === 1);

    using known = await callerOf(workloadApi, await server.port('mtls'));
    await expect(known.get()).resolves.toMatchObject({ status: 200 });

    const streams = await server.stat('cluster.spiffe_sds.upstream_rq_total');
    await workloadApi.setIdentities([{ path: '/backend' }, { path: '/late' }]);
    await server.waitForStat('listener_manager.total_listeners_warming', (warming) => warming === 0);
    await server.presents(workloadApi.serials().get(LATE));
    expect(await server.stat('cluster.spiffe_sds.upstream_rq_total')).toBe(streams);
  });
});

describeWithEnvoy()('an Envoy with disable_spiffe_cert_validation in its node metadata', () => {
  it('gets the trust bundle as a plain trusted_ca, and admits and refuses callers by it', async () => {
    await using stage = await Stage.prepare();
    const workloadApi = await stage.startWorkloadApi();
    await stage.startSidecar();
    const server = await stage.startServer({
      edit: (bootstrap) => bootstrap.setIn(['node', 'metadata', 'disable_spiffe_cert_validation'], true),
    });
    await server.live();
    const port = await server.port('mtls');
    const { bundlePem } = await workloadApi.issueForeign('example.org', '/caller');
    await using foreign = await TestWorkloadApi.start({ address: `unix://${join(stage.folder, 'foreign.sock')}` });
    using stranger = new MtlsClient(port, BACKEND, bundlePem, await foreign.issueForeign('example.org', '/frontend'));
    using known = await callerOf(workloadApi, port);

    expect(await server.configDump()).toContain('"trusted_ca"');
    expect(await server.configDump()).not.toContain('"custom_validator_config"');
    await expect(known.get()).resolves.toMatchObject({ status: 200 });
    await expect(stranger.get()).rejects.toThrow();
  });
});
