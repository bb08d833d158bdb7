/** The main cases, on each Envoy that `ENVOY_VERSIONS` names. */
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { describeWithEnvoy, envoyVersions } from '../../support/mesh/envoy.ts';
import { BACKEND, callerOf, FRONTEND, type Mesh, newBundle, rotated, startMesh } from '../../support/mesh/mesh.ts';
import { MtlsClient } from '../../support/mesh/mtls-client.ts';
import { SteadyLoad } from '../../support/mesh/steady-load.ts';
import { TestWorkloadApi } from '../../support/workload-api/test-workload-api.ts';

const TLS = 'listener.127.0.0.1_0.ssl';

describe.each(envoyVersions().map((version) => ({ version, name: version ?? 'as found' })))('Envoy $name', ({ version }) => {
  describeWithEnvoy(version)('with secrets from the sidecar', () => {
    describe('mutual TLS with the shipped bootstraps', () => {
      let mesh: Mesh;
      beforeAll(async () => {
        mesh = await startMesh(version);
        return () => mesh[Symbol.asyncDispose]();
      });

      it('uses nothing that Envoy calls deprecated', () => {
        expect(mesh.server.log + mesh.client.log).not.toMatch(/^.*\[(warning|error)\].*deprecated/m);
      });

      it('lets each side see the SPIFFE ID of the other', async () => {
        const { status, headers } = await fetch(mesh.url);
        expect({ status, caller: headers.get('x-peer-uri-san'), called: headers.get('x-upstream-uri-san') }).toEqual({
          status: 200,
          caller: FRONTEND,
          called: BACKEND,
        });
      });

      it('admits a caller with an SVID of the trust domain', async () => {
        using caller = await callerOf(mesh.workloadApi, mesh.serverPort);
        await expect(caller.get()).resolves.toMatchObject({ status: 200 });
      });

      it('refuses a caller without a certificate', async () => {
        const { bundlePem } = await mesh.workloadApi.issueForeign('example.org', '/caller');
        using caller = new MtlsClient(mesh.serverPort, BACKEND, bundlePem);
        await expect(caller.get()).rejects.toThrow();
        expect(await mesh.server.stat(`${TLS}.fail_verify_no_cert`)).toBe(1);
      });

      it('refuses a caller of the right name whose certificate comes from a foreign CA', async () => {
        await using foreign = await TestWorkloadApi.start({ address: `unix://${join(mesh.stage.folder, 'foreign.sock')}` });
        const identity = await foreign.issueForeign('example.org', '/frontend');
        const { bundlePem } = await mesh.workloadApi.issueForeign('example.org', '/caller');
        using caller = new MtlsClient(mesh.serverPort, BACKEND, bundlePem, identity);
        await expect(caller.get()).rejects.toThrow();
        expect(await mesh.server.stat(`${TLS}.fail_verify_error`)).toBe(1);
      });
    });

    it('loses no request when the SVIDs rotate under load', async () => {
      await using mesh = await startMesh(version);
      await using load = new SteadyLoad(mesh.url);
      await load.more(100);
      await mesh.workloadApi.rotate();
      await rotated(mesh);
      await load.more(100);
      await load.stop();
      expect(load.failures).toEqual(new Map());
    });

    it('loses no request when the CA is replaced under load', async () => {
      await using mesh = await startMesh(version);
      await using load = new SteadyLoad(mesh.url);
      await load.more(100);
      await newBundle(mesh, () => mesh.workloadApi.prepareAuthority());
      await load.more(100);
      await mesh.workloadApi.activateAuthority();
      await rotated(mesh);
      await load.more(100);
      await newBundle(mesh, () => mesh.workloadApi.retireAuthority());
      await load.more(100);
      await load.stop();
      expect(load.failures).toEqual(new Map());
    });
  });
});
