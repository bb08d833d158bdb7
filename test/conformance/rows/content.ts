/** What stands in a response, and in a tls_certificate. */
import { createPrivateKey, type X509Certificate } from 'node:crypto';
import { expect } from 'vitest';
import { SECRET_TYPE_URL } from '../../../src/secrets/secret.ts';
import { decode, encode } from '../../../src/wire/wire.ts';
import { deltaRequest, rawCall, sotwRequest } from '../raw-call.ts';
import { certificatesOf, leafOf, namesOf, secretOf, textOf, WEB } from '../read.ts';
import type { Row } from '../row.ts';

export const content: readonly Row[] = [
  {
    rule: 'a response and its resources are of the type Secret',
    fact: 8,
    needs: 'nothing',
    async run({ client, cert }) {
      const { type_url, resources } = await client.stream().request([cert]).next();
      expect([type_url, resources[0]?.type_url]).toEqual([SECRET_TYPE_URL, SECRET_TYPE_URL]);
    },
  },
  {
    rule: 'a secret has the name that was asked for',
    fact: 8,
    needs: 'nothing',
    async run({ client, cert, bundle }) {
      expect([...namesOf(await client.stream().request([cert, bundle]).next())].sort()).toEqual([cert, bundle].sort());
    },
  },
  {
    rule: 'a response says which control plane it is from',
    fact: 15,
    needs: 'source',
    async run({ client, cert }) {
      expect((await client.stream().request([cert]).next()).control_plane?.identifier).toMatch(/^spiffe-sds\/\d/);
    },
  },
  {
    rule: 'is not compressed, although the client would take it',
    fact: 14,
    needs: 'nothing',
    async run({ socket, cert }) {
      const { headers, compressed } = await rawCall(socket, 'StreamSecrets', sotwRequest(cert));
      expect([headers['grpc-encoding'] ?? 'identity', compressed]).toEqual(['identity', false]);
    },
  },
  {
    rule: 'a response has no field but those that Envoy is known to take, no TTL among them',
    fact: 20,
    needs: 'source',
    async run({ socket, cert }) {
      const { message } = await rawCall(socket, 'StreamSecrets', sotwRequest(cert));
      const type = 'envoy.service.discovery.v3.DiscoveryResponse';
      expect(encode(type, decode(type, message))).toHaveLength(message.length);
    },
  },
  {
    rule: 'a delta response has no field but those that Envoy is known to take, no TTL and no aliases among them',
    fact: 20,
    needs: 'source',
    async run({ socket, cert }) {
      const { message } = await rawCall(socket, 'DeltaSecrets', deltaRequest(cert));
      const type = 'envoy.service.discovery.v3.DeltaDiscoveryResponse';
      expect(encode(type, decode(type, message))).toHaveLength(message.length);
    },
  },
  {
    rule: 'the chain is PEM, and inline',
    fact: 25,
    needs: 'nothing',
    async run({ client, cert }) {
      const { tls_certificate } = secretOf(await client.stream().request([cert]).next(), cert);
      expect(textOf(tls_certificate?.certificate_chain)).toMatch(/^-----BEGIN CERTIFICATE-----\n/);
    },
  },
  {
    rule: 'the key is PKCS#8 in PEM, and inline',
    fact: 25,
    needs: 'nothing',
    async run({ client, cert }) {
      const { tls_certificate } = secretOf(await client.stream().request([cert]).next(), cert);
      expect(textOf(tls_certificate?.private_key)).toMatch(
        /^-----BEGIN PRIVATE KEY-----\n[A-Za-z0-9+/=\n]+-----END PRIVATE KEY-----\n?$/,
      );
    },
  },
  {
    rule: 'the key belongs to the leaf',
    fact: 12,
    needs: 'nothing',
    async run({ client, cert }) {
      const secret = secretOf(await client.stream().request([cert]).next(), cert);
      expect(leafOf(secret).checkPrivateKey(createPrivateKey(textOf(secret.tls_certificate?.private_key)))).toBe(true);
    },
  },
  {
    rule: 'the leaf is an SVID: one URI SAN, a SPIFFE ID, and no CA',
    fact: 25,
    needs: 'nothing',
    async run({ client, cert }) {
      const leaf = leafOf(secretOf(await client.stream().request([cert]).next(), cert));
      expect(leaf.subjectAltName).toMatch(/^URI:spiffe:\/\/[^,]+$/);
      expect(leaf.ca).toBe(false);
    },
  },
  {
    rule: 'the leaf is that of the name',
    fact: 2,
    needs: 'source',
    async run({ client, workloadApi }) {
      const leaf = leafOf(secretOf(await client.stream().request([WEB]).next(), WEB));
      expect([leaf.subjectAltName, leaf.serialNumber]).toEqual([`URI:${WEB}`, workloadApi.serials().get(WEB)]);
    },
  },
  {
    rule: 'the chain has the leaf first, then its issuer',
    fact: 25,
    needs: 'source',
    workload: { intermediate: true },
    async run({ client, cert }) {
      const { tls_certificate } = secretOf(await client.stream().request([cert]).next(), cert);
      const [leaf, issuer, ...others] = certificatesOf(tls_certificate?.certificate_chain);
      expect(leaf?.checkIssued(issuer as X509Certificate)).toBe(true);
      expect(others).toEqual([]);
    },
  },
  {
    rule: 'the certificate of an SVID whose key does not fit goes out to nobody',
    fact: 12,
    needs: 'source',
    async run({ client, workloadApi, after, silent }) {
      const stream = client.stream().request([WEB]);
      await stream.accept();
      await workloadApi.rotate();
      await stream.accept();
      const crossed = (svids: readonly { readonly x509_svid_key: Uint8Array }[]) =>
        svids.at(-1)?.x509_svid_key ?? new Uint8Array();
      await after(
        () =>
          workloadApi.send(({ svids, ...rest }) => ({
            ...rest,
            svids: svids.map((svid, index) => (index === 0 ? { ...svid, x509_svid_key: crossed(svids) } : svid)),
          })),
        'context_discarded',
      );
      await silent(stream);
    },
  },
  {
    rule: 'garbage from the Workload API changes nothing for those who have secrets, nor for those who come',
    fact: 12,
    needs: 'source',
    async run({ client, workloadApi, silent }) {
      const stream = client.stream().request([WEB]);
      const { version_info } = await stream.accept();
      workloadApi.sendRaw(Buffer.from('garbage'));
      expect((await client.stream().request([WEB]).next()).version_info).toBe(version_info);
      await silent(stream);
    },
  },
];
