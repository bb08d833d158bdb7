/** One Envoy with more secrets than Envoy's own limit on requests to a cluster would let it ask for. */
import { expect, it } from 'vitest';
import { eventually } from '../../support/eventually.ts';
import { describeWithEnvoy, type Envoy } from '../../support/mesh/envoy.ts';
import { listenerLike } from '../../support/mesh/listener-like.ts';
import { BACKEND, Stage } from '../../support/mesh/mesh.ts';
import { ResourceFile } from '../../support/sds/resource-file.ts';

const LISTENERS = 520;

describeWithEnvoy()(`an Envoy with ${LISTENERS} listeners, each with two subscriptions of its own`, () => {
  it('is live with all of them, and gets a rotation on each', async () => {
    await using stage = await Stage.prepare();
    const workloadApi = await stage.startWorkloadApi();
    const sidecar = await stage.startSidecar();
    const listeners = await ResourceFile.create('lds', stage.folder, 'listeners');
    const server = await stage.startServer({
      async edit(bootstrap) {
        listeners.addTo(bootstrap);
        const seconds = Array.from({ length: LISTENERS }, (_, i) => 60 + i);
        await listeners.replace(seconds.map((s) => listenerLike(bootstrap, `after-${s}`, { initialFetchTimeout: `${s}s` })));
      },
    });
    await server.live();
    expect(await server.stat('listener_manager.total_listeners_active')).toBe(LISTENERS + 1);
    expect(await server.stat('cluster.spiffe_sds.upstream_rq_active')).toBe(2 * (LISTENERS + 1));

    await workloadApi.rotate();
    await eventually('the new certificate on every listener', async () => {
      const serials = await serialsOf(server);
      return (
        (serials.length === LISTENERS + 1 &&
          new Set(serials).size === 1 &&
          serials[0] === BigInt(`0x${workloadApi.serials().get(BACKEND)}`)) ||
        undefined
      );
    });
    expect(sidecar.events.filter(({ event }) => event === 'stream_closed' || event === 'secrets_rejected')).toEqual([]);
  });
});

async function serialsOf(envoy: Envoy): Promise<readonly bigint[]> {
  return (await envoy.certs()).flatMap(({ cert_chain }) => cert_chain.map(({ serial_number }) => BigInt(`0x${serial_number}`)));
}
