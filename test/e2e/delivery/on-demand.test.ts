/** Envoy's on-demand certificate selector, with the server name indication for a name, on each Envoy that has it. */
import { beforeAll, describe, expect, it } from 'vitest';
import type { Document } from 'yaml';
import { describeWithEnvoy, type Envoy, envoyVersions } from '../../support/mesh/envoy.ts';
import { BACKEND, callerOf, Stage } from '../../support/mesh/mesh.ts';
import { LEGACY_WIRES, speak } from '../../support/sds/wire.ts';
import type { SidecarProcess } from '../../support/sidecar/sidecar-process.ts';
import type { TestWorkloadApi } from '../../support/workload-api/test-workload-api.ts';

const LATE = 'spiffe://example.org/late';
const CONFIGURATION = { names: { default_svid: 'www.example.org', on_demand: ['*.example.org'] } };
const EXTENSIONS = 'type.googleapis.com/envoy.extensions.transport_sockets.tls';

const versions = envoyVersions().filter((version) => !version?.startsWith('1.36.'));

describe.each(versions.map((version) => ({ version, name: version ?? 'as found' })))('Envoy $name', ({ version }) => {
  describeWithEnvoy(version)('with an on-demand certificate', () => {
    describe.each(LEGACY_WIRES)('$name', (wire) => {
      let workloadApi: TestWorkloadApi;
      let sidecar: SidecarProcess;
      let server: Envoy;
      beforeAll(async () => {
        const stage = await Stage.prepare(version);
        workloadApi = await stage.startWorkloadApi();
        sidecar = await stage.startSidecar(CONFIGURATION);
        server = await stage.startServer({
          async edit(bootstrap, folder) {
            await speak(bootstrap, wire, folder);
            selectBySni(bootstrap);
          },
        });
        await server.live();
        return () => stage[Symbol.asyncDispose]();
      });

      it('serves a name that is known', async () => {
        using caller = await callerOf(workloadApi, await server.port('mtls'), BACKEND, 'www.example.org');
        await expect(caller.get()).resolves.toMatchObject({ status: 200 });
      });

      // State of the world has no word for it: there every unknown name waits.
      if (wire.api === 'DELTA_GRPC') {
        it('refuses an unknown name under names.on_demand, each time it is asked for', async () => {
          const port = await server.port('mtls');
          for (const _ of ['first', 'second']) {
            using caller = await callerOf(workloadApi, port, BACKEND, 'nobody.example.org');
            await expect(caller.get()).rejects.toThrow('handshake failure');
          }
        });
      }

      it('keeps a handshake with any other name waiting until the name is known', async () => {
        using caller = await callerOf(workloadApi, await server.port('mtls'), LATE, LATE);
        const answer = caller.get();
        await sidecar.event(({ event, names }) => event === 'names_held' && names?.includes(LATE) === true);
        await workloadApi.setIdentities([{ path: '/backend' }, { path: '/late' }]);
        await expect(answer).resolves.toMatchObject({ status: 200 });
      });
    });
  });
});

/** The listener asks for a certificate by the name that a client indicates. */
function selectBySni(bootstrap: Document): void {
  const socket = ['static_resources', 'listeners', 0, 'filter_chains', 0, 'transport_socket', 'typed_config'];
  const certificates = [...socket, 'common_tls_context', 'tls_certificate_sds_secret_configs'];
  const validation = [...socket, 'common_tls_context', 'combined_validation_context', 'validation_context_sds_secret_config'];
  // Until then the one place where it is written out.
  const source = bootstrap.getIn([...certificates, 0, 'sds_config']);
  bootstrap.setIn([...validation, 'sds_config'], source);
  bootstrap.deleteIn(certificates);
  bootstrap.setIn([...socket, 'common_tls_context', 'custom_tls_certificate_selector'], {
    name: 'envoy.tls.certificate_selectors.on_demand_secret',
    typed_config: {
      '@type': `${EXTENSIONS}.cert_selectors.on_demand_secret.v3.Config`,
      config_source: source,
      certificate_mapper: {
        name: 'envoy.tls.certificate_mappers.sni',
        typed_config: { '@type': `${EXTENSIONS}.cert_mappers.sni.v3.SNI`, default_value: 'nobody.example.org' },
      },
    },
  });
  // Envoy does not start otherwise: a resumed session would keep the certificate of another name.
  bootstrap.setIn([...socket, 'disable_stateless_session_resumption'], true);
  bootstrap.setIn([...socket, 'disable_stateful_session_resumption'], true);
}
