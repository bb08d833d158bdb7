/** What a rotation does to an Envoy, stat by stat. */
import { expect, it } from 'vitest';
import { describeWithEnvoy, type Envoy } from '../../support/mesh/envoy.ts';
import { BACKEND, callerOf, startMesh } from '../../support/mesh/mesh.ts';

const CERTIFICATE = 'sds.spiffe_example.org/backend';
const TLS_UPDATES = 'listener.127.0.0.1_0.server_ssl_socket_factory.ssl_context_update_by_sds';

describeWithEnvoy()('an SVID rotation', () => {
  it('replaces the certificate in place: one TLS update, no connection touched', async () => {
    await using mesh = await startMesh();
    const { server, workloadApi, serverPort } = mesh;
    using held = await callerOf(workloadApi, serverPort);
    const oldAnswer = await held.get();
    const before = await observed(server);

    await workloadApi.rotate();
    await server.presents(workloadApi.serials().get(BACKEND));
    const after = await observed(server);
    const stillAnswered = await held.get();
    using fresh = await callerOf(workloadApi, serverPort);
    const newAnswer = await fresh.get();

    expect(after.version).not.toBe(before.version);
    expect({ ...after, version: before.version }).toEqual({ ...before, tlsUpdates: before.tlsUpdates + 1 });
    expect(after.rejected).toBe(0);
    expect(stillAnswered).toMatchObject({ status: 200, localPort: oldAnswer.localPort, serverSerial: oldAnswer.serverSerial });
    expect(newAnswer).toMatchObject({ status: 200, serverSerial: workloadApi.serials().get(BACKEND) });
  });
});

async function observed(envoy: Envoy) {
  const stats = await envoy.stats('^(sds|listener|listener_manager)\\.');
  const number = (name: string) => Number(stats.get(name));
  return {
    tlsUpdates: number(TLS_UPDATES),
    version: stats.get(`${CERTIFICATE}.version_text`),
    rejected: number(`${CERTIFICATE}.update_rejected`),
    listenersModified: number('listener_manager.listener_modified'),
    connectionsEnded: number('listener.127.0.0.1_0.downstream_cx_destroy'),
  };
}
