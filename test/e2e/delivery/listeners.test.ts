/** Listeners that come and go while an Envoy runs, on each Envoy that `ENVOY_VERSIONS` names. */
import { describe, expect, it } from 'vitest';
import { eventually } from '../../support/eventually.ts';
import { describeWithEnvoy, type Envoy, envoyVersions } from '../../support/mesh/envoy.ts';
import { type ListenerSecrets, listenerLike } from '../../support/mesh/listener-like.ts';
import { BACKEND, callerOf, Stage } from '../../support/mesh/mesh.ts';
import { ResourceFile } from '../../support/sds/resource-file.ts';
import { speak, WIRES, type Wire } from '../../support/sds/wire.ts';
import type { SidecarProcess } from '../../support/sidecar/sidecar-process.ts';
import type { TestWorkloadApi } from '../../support/workload-api/test-workload-api.ts';

/** These say nothing to the sidecar when another listener wants a secret that they have: there is nothing that could answer. */
const DEAF = WIRES.filter(({ ads, api, unifiedMux }) => ads && (api === 'DELTA_GRPC' || unifiedMux));

describe.each(envoyVersions().map((version) => ({ version, name: version ?? 'as found' })))('Envoy $name', ({ version }) => {
  describeWithEnvoy(version)('with a second listener from a file', () => {
    it.each(WIRES)('is not sent the secrets of a listener that is gone, but again when it is back: $name', async (wire) => {
      await using stage = await Stage.prepare(version);
      const scene = await start(stage, wire, { certificate: 'default', bundle: 'ROOTCA' });
      const { workloadApi, sidecar, server, listeners, second } = scene;
      await listeners.replace([second]);
      expect(await answer(scene)).toBe(200);
      await listeners.replace([]);
      await eventually(
        'the end of the subscriptions',
        async () => !(await server.configDump()).includes('"ROOTCA"') || undefined,
      );
      await server.waitForStat('cluster.spiffe_sds.upstream_rq_active', (streams) => streams === (wire.ads ? 1 : 2));

      const before = sidecar.events.length;
      await workloadApi.rotate();
      await server.presents(workloadApi.serials().get(BACKEND));
      const sent = sidecar.events.slice(before).filter(({ event }) => event === 'secrets_pushed');
      expect(sent.flatMap(({ secrets = [] }) => secrets.map(({ name }) => name))).not.toContain('default');

      await listeners.replace([second]);
      expect(await answer(scene)).toBe(200);
    });

    // Names change while responses are on their way: such a change is not taken, the answer to the newest response brings it.
    it.each(WIRES.filter(({ ads }) => ads))(
      'gives it its secrets when it came and went while secrets rotate: $name',
      async (wire) => {
        await using stage = await Stage.prepare(version);
        const scene = await start(stage, wire, { certificate: 'default', bundle: 'ROOTCA' });
        const { workloadApi, server, listeners, second } = scene;
        for (let times = 0; times < 20; times++)
          await Promise.all([listeners.replace(times % 2 === 0 ? [second] : []), workloadApi.rotate()]);
        await listeners.replace([second]);
        expect(await answer(scene)).toBe(200);
        await workloadApi.rotate();
        await server.presents(workloadApi.serials().get(BACKEND));
        expect(await answer(scene)).toBe(200);
      },
    );

    it.each(WIRES.filter((wire) => !DEAF.includes(wire)))(
      'gives it the secrets that the first has, although their ConfigSources differ: $name',
      async (wire) => {
        await using stage = await Stage.prepare(version);
        const scene = await start(stage, wire, { initialFetchTimeout: '60s' });
        await scene.listeners.replace([scene.second]);
        expect(await answer(scene)).toBe(200);
      },
    );
  });
});

interface Scene {
  readonly workloadApi: TestWorkloadApi;
  readonly sidecar: SidecarProcess;
  readonly server: Envoy;
  /** What the Envoy has beside the listener of its bootstrap: nothing at first. */
  readonly listeners: ResourceFile;
  readonly second: object;
}

async function start(stage: Stage, wire: Wire, secrets: ListenerSecrets): Promise<Scene> {
  const workloadApi = await stage.startWorkloadApi();
  const sidecar = await stage.startSidecar();
  const listeners = await ResourceFile.create('lds', stage.folder, 'listeners');
  let second = {};
  const server = await stage.startServer({
    args: ['--disable-hot-restart', '--drain-time-s', '1'],
    async edit(bootstrap, folder) {
      await speak(bootstrap, wire, folder);
      listeners.addTo(bootstrap);
      second = listenerLike(bootstrap, 'second', secrets);
    },
  });
  await server.live();
  return { workloadApi, sidecar, server, listeners, second };
}

/** The status of an answer through the second listener. */
async function answer({ workloadApi, server }: Scene): Promise<number | undefined> {
  using caller = await callerOf(workloadApi, await server.port('second'));
  return (await caller.get()).status;
}
