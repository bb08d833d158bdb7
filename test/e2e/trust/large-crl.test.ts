/** The list of a large CA goes to a real Envoy, which refuses whom it revokes and nobody else. */
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { eventually } from '../../support/eventually.ts';
import { describeWithEnvoy, envoyVersions } from '../../support/mesh/envoy.ts';
import { BACKEND, Stage } from '../../support/mesh/mesh.ts';
import { MtlsClient } from '../../support/mesh/mtls-client.ts';
import { SaidWorkloadApi } from '../../support/workload-api/said-workload-api.ts';
import { responseWith, svidMessage } from '../../support/workload-api/workload-messages.ts';
import { HOUR, type Issued, issueAuthority, issueLeaf } from '../../support/x509/certificates.ts';
import { entries, entryOf, keyOf, rawCrl, utcTime } from '../../support/x509/raw-crl.ts';

const ENTRIES = 200_000;
const VERSION = 'sds.spiffe_example.org.version_text';

for (const version of envoyVersions()) {
  describeWithEnvoy(version)(`a CRL of ${ENTRIES} entries, Envoy ${version ?? 'as found'}`, () => {
    it.each(['spiffe', 'trusted_ca'] as const)('is heeded in the form %s', async (mode) => {
      const now = Date.now();
      const validity = { notBefore: now - HOUR, notAfter: now + HOUR };
      const ca = await issueAuthority(validity);
      const leaf = (id: string) => issueLeaf(ca, id, validity);
      const [backend, good, revoked] = [
        await leaf(BACKEND),
        await leaf('spiffe://example.org/good'),
        await leaf('spiffe://example.org/bad'),
      ];
      const times = { thisUpdate: utcTime(now - HOUR), nextUpdate: utcTime(now + HOUR) };
      const crl = rawCrl(ca, { ...times, entries: [...entries(ENTRIES), entryOf(revoked, times.thisUpdate)] });

      await using stage = await Stage.prepare(version);
      const svids = [svidMessage(BACKEND, [backend], [ca])];
      await using workloadApi = await SaidWorkloadApi.start(join(stage.folder, 'workload.sock'), responseWith(svids));
      await stage.startSidecar({ validation: { mode } });
      const server = await stage.startServer();
      await server.live();
      const port = await server.port('mtls');
      const without = await server.stat(VERSION);
      expect(await letsIn(port, ca, revoked)).toBe(true);
      workloadApi.say(responseWith(svids, {}, [crl]));
      await eventually('the CRL in Envoy', async () => ((await server.stat(VERSION)) !== without ? true : undefined));
      expect([await letsIn(port, ca, good), await letsIn(port, ca, revoked)]).toEqual([true, false]);
    });
  });
}

async function letsIn(port: number, ca: Issued, peer: Issued): Promise<boolean> {
  const keyPem = keyOf(peer).export({ type: 'pkcs8', format: 'pem' }).toString();
  using client = new MtlsClient(port, BACKEND, ca.certificate.toString('pem'), {
    chainPem: peer.certificate.toString('pem'),
    keyPem,
  });
  return await client.get().then(
    () => true,
    () => false,
  );
}
