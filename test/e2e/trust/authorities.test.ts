/** Bundles as people have them, with a peer of each: what the sidecar sends of them, and whom a real Envoy then lets in. */
import 'reflect-metadata';
import { KeyObject } from 'node:crypto';
import { X509Certificate } from '@peculiar/x509';
import { describe, expect, it } from 'vitest';
import { eventually } from '../../support/eventually.ts';
import { asking } from '../../support/mesh/asking.ts';
import { describeWithEnvoy, type Envoy, envoyVersions } from '../../support/mesh/envoy.ts';
import { BACKEND, Stage } from '../../support/mesh/mesh.ts';
import { MtlsClient } from '../../support/mesh/mtls-client.ts';
import { buildCertificate } from '../../support/x509/certificate-builder.ts';
import { concatenated, HOUR, type Issued, issueAuthority, issueLeaf, type Wish } from '../../support/x509/certificates.ts';

const now = Date.now();
const VALID = { notBefore: now - HOUR, notAfter: now + HOUR };
const EXPIRED = { notBefore: now - 9 * HOUR, notAfter: now - HOUR };
const LATER = { notBefore: now + HOUR, notAfter: now + 9 * HOUR };

/** A bundle, and an authority of it that signs the peer. */
interface Federated {
  readonly bundle: Uint8Array;
  readonly signer: Issued;
}

const root = (wish: Wish = {}) => issueAuthority({ name: 'root', uris: [], ...VALID, ...wish });
const twin = (signer: Issued, wish: Wish) => root({ keys: signer.keys, ...wish });

async function rootOfVersion1(): Promise<Issued> {
  const issued = await root();
  const keys = { publicKey: KeyObject.from(issued.keys.publicKey), privateKey: KeyObject.from(issued.keys.privateKey) };
  const der = buildCertificate({ version: undefined, extensions: undefined }, keys);
  return { ...issued, der, certificate: new X509Certificate(der) };
}

const alone = (signer: Issued): Federated => ({ signer, bundle: signer.der });

const BUNDLES: Readonly<Record<string, () => Promise<Federated>>> = {
  'a root without keyUsage': async () => alone(await root({ keyUsage: 0 })),
  'a root of version 1': async () => alone(await rootOfVersion1()),
  'a root behind its expired predecessor of the same name and key': async () => {
    const signer = await root();
    return { signer, bundle: concatenated([await twin(signer, EXPIRED), signer]) };
  },
  'a root before its expired predecessor': async () => {
    const signer = await root();
    return { signer, bundle: concatenated([signer, await twin(signer, EXPIRED)]) };
  },
  'a root behind its successor, whose time has not come': async () => {
    const signer = await root();
    return { signer, bundle: concatenated([await twin(signer, LATER), signer]) };
  },
  'a root beside a stray leaf, an unreadable certificate and garbage': async () => {
    const signer = await root();
    const stray = await issueLeaf(signer, 'spiffe://stray.test/x', VALID);
    return { signer, bundle: Buffer.concat([stray.der, signer.privateKey, signer.der, Buffer.from('x')]) };
  },
};

const trustDomainOf = (index: number) => `partner-${index}.test`;

async function peerOf({ signer }: Federated, trustDomain: string, server: Envoy, bundlePem: string): Promise<MtlsClient> {
  const leaf = await issueLeaf(signer, `spiffe://${trustDomain}/peer`, VALID);
  const key = KeyObject.from(leaf.keys.privateKey).export({ type: 'pkcs8', format: 'pem' });
  const identity = { chainPem: leaf.certificate.toString('pem'), keyPem: String(key) };
  return new MtlsClient(await server.port('mtls'), BACKEND, bundlePem, identity);
}

describe.each(envoyVersions().map((version) => ({ version, name: version ?? 'as found' })))('Envoy $name', ({ version }) => {
  describeWithEnvoy(version)('with federated bundles from the sidecar', () => {
    it('lets in the peers of each', async () => {
      await using stage = await Stage.prepare(version);
      const workloadApi = await stage.startWorkloadApi();
      await stage.startSidecar();
      const server = await stage.startServer({ edit: asking({}) });
      await server.live();
      const federated = await Promise.all(Object.values(BUNDLES).map((make) => make()));
      const bundles = Object.fromEntries(federated.map(({ bundle }, index) => [`spiffe://${trustDomainOf(index)}`, bundle]));
      workloadApi.send((response) => ({ ...response, federated_bundles: { ...response.federated_bundles, ...bundles } }));
      const { bundlePem } = await workloadApi.issueForeign('example.org', '/any');
      for (const [index, what] of Object.keys(BUNDLES).entries()) {
        await eventually(`an Envoy that lets in a peer of ${what}`, async () => {
          using client = await peerOf(federated[index] as Federated, trustDomainOf(index), server, bundlePem);
          return (await client.get().catch(() => undefined))?.status === 200 || undefined;
        });
      }
      expect([...(await server.stats('update_rejected$')).values()].every((count) => count === 0)).toBe(true);
    });
  });
});
