/** Whatever an Envoy speaks, on each Envoy that `ENVOY_VERSIONS` names: the same identities, and no request lost to a rotation. */
import { beforeAll, describe, expect, it } from 'vitest';
import { describeWithEnvoy, envoyVersions } from '../../support/mesh/envoy.ts';
import { BACKEND, callerOf, FRONTEND, type Mesh, newBundle, rotated, Stage, startMesh } from '../../support/mesh/mesh.ts';
import { SteadyLoad } from '../../support/mesh/steady-load.ts';
import { speak, WIRES } from '../../support/sds/wire.ts';

describe.each(envoyVersions().map((version) => ({ version, name: version ?? 'as found' })))('Envoy $name', ({ version }) => {
  describeWithEnvoy(version)('that speaks', () => {
    describe.each(WIRES)('$name', (wire) => {
      let mesh: Mesh;
      beforeAll(async () => {
        mesh = await startMesh(version, { edit: (bootstrap, folder) => speak(bootstrap, wire, folder) });
        return () => mesh[Symbol.asyncDispose]();
      });

      it('has its secrets over that protocol alone', () => {
        const method = wire.api === 'GRPC' ? 'sotw' : 'delta';
        const opened = mesh.sidecar.events.filter(({ event }) => event === 'stream_opened');
        expect(opened.map((event) => event.method)).toEqual(Array.from({ length: wire.ads ? 2 : 4 }, () => method));
      });

      it('lets each side see the SPIFFE ID of the other', async () => {
        const { status, headers } = await fetch(mesh.url);
        expect({ status, caller: headers.get('x-peer-uri-san'), called: headers.get('x-upstream-uri-san') }).toEqual({
          status: 200,
          caller: FRONTEND,
          called: BACKEND,
        });
      });

      it('loses no request when the SVIDs rotate', async () => {
        await using load = new SteadyLoad(mesh.url);
        await load.more(50);
        await mesh.workloadApi.rotate();
        await rotated(mesh);
        await load.more(50);
        await load.stop();
        expect(load.failures).toEqual(new Map());
      });

      it('loses no request when the CA is replaced in one message', async () => {
        await using load = new SteadyLoad(mesh.url);
        await load.more(50);
        await mesh.workloadApi.rollAuthority();
        await rotated(mesh);
        await load.more(50);
        await newBundle(mesh, () => mesh.workloadApi.retireAuthority());
        await load.more(50);
        await load.stop();
        expect(load.failures).toEqual(new Map());
      });

      it('accepts all that it is sent', () => {
        expect(mesh.sidecar.events.filter(({ event }) => event === 'secrets_rejected')).toEqual([]);
      });
    });
  });

  describeWithEnvoy(version)('that asks for listeners and clusters too', () => {
    it.each(WIRES.filter(({ ads }) => ads))(
      'goes live with those of its bootstrap, and gets its secrets: $name',
      async (wire) => {
        await using stage = await Stage.prepare(version);
        const workloadApi = await stage.startWorkloadApi();
        const sidecar = await stage.startSidecar();
        const server = await stage.startServer({
          async edit(bootstrap, folder) {
            await speak(bootstrap, wire, folder);
            const source = { resource_api_version: 'V3', ads: {}, initial_fetch_timeout: '0.3s' };
            for (const key of ['lds_config', 'cds_config']) bootstrap.setIn(['dynamic_resources', key], source);
          },
        });
        await server.live();
        using caller = await callerOf(workloadApi, await server.port('mtls'));
        await expect(caller.get()).resolves.toMatchObject({ status: 200 });

        await workloadApi.rotate();
        await server.presents(workloadApi.serials().get(BACKEND));
        const told = sidecar.events.filter(({ event }) => event === 'type_ignored' || event === 'stream_opened');
        expect(told.map(({ event, type_url }) => type_url ?? event)).toEqual([
          'stream_opened',
          'type.googleapis.com/envoy.config.cluster.v3.Cluster',
          'type.googleapis.com/envoy.config.listener.v3.Listener',
        ]);
      },
    );
  });
});
