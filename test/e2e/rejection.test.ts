/** An SVID that keeps to the SPIFFE specifications and that an Envoy does not load all the same. */
import 'reflect-metadata';
import { Extension } from '@peculiar/x509';
import { beforeAll, describe, expect, it } from 'vitest';
import { privateKeyPem } from '../../src/dev/authority.ts';
import type { DevWorkloadApi } from '../../src/dev/dev-workload-api.ts';
import { HOUR, type Issued, issueAuthority, issueLeaf } from '../support/certificates.ts';
import { describeWithEnvoy } from '../support/envoy.ts';
import { eventually } from '../support/eventually.ts';
import { BACKEND, callerOf, Stage } from '../support/mesh.ts';
import { type Answer, MtlsClient, type TlsIdentity } from '../support/mtls-client.ts';
import type { LoggedEvent } from '../support/sidecar-process.ts';
import { LEGACY_WIRES, speak, type Wire } from '../support/wire.ts';

/** TLS Feature with status_request (RFC 7633): a server with it must have an OCSP response, which no SVID brings. */
const MUST_STAPLE = new Extension('1.3.6.1.5.5.7.1.24', false, new Uint8Array([0x30, 0x03, 0x02, 0x01, 0x05]));

describeWithEnvoy()('an SVID that an Envoy rejects', () => {
  describe.each(LEGACY_WIRES)('$name', (wire) => {
    let story: Story;
    beforeAll(async () => {
      story = await tell(wire);
    });

    it('is logged with the reason that Envoy gives', () => {
      const { level, node, reason } = story.rejection;
      expect({ level, node, reason }).toEqual({
        level: 50,
        node: 'backend-envoy',
        reason: 'OCSP response is required for must-staple certificate',
      });
    });

    it('is sent once, also when the Envoy connects again', () => {
      const rejected = versionIn(story.rejection);
      expect(story.sent.map(versionIn).filter((version) => version === rejected)).toHaveLength(1);
    });

    it('leaves the Envoy with the one before', () => {
      expect(story.meanwhile).toMatchObject({ status: 200, serverSerial: story.serialBefore });
    });

    it('is followed by the next one, which the Envoy takes', () => {
      expect(story.afterwards).toMatchObject({ status: 200, serverSerial: story.serialAfter });
    });

    it('does not keep a new bundle from the Envoy', async () => {
      await using stage = await Stage.prepare();
      const workloadApi = await stage.startWorkloadApi();
      const sidecar = await stage.startSidecar();
      const server = await stage.startServer({ edit: (bootstrap, folder) => speak(bootstrap, wire, folder) });
      await server.live();
      const change = await unloadable();
      workloadApi.send(change);
      await sidecar.event(({ event }) => event === 'secrets_rejected');

      const another = await issueAuthority({ ...validity(), name: 'another authority' });
      workloadApi.send((response) => withAuthority(change(response), another.der));
      const port = await server.port('mtls');
      const { bundlePem } = await workloadApi.issueForeign('example.org', '/caller');
      const answer = eventually('a caller whose SVID the new authority issued', async () => {
        using caller = new MtlsClient(port, BACKEND, bundlePem, await identityFrom(another));
        return (await caller.get()).status;
      });
      await expect(answer).resolves.toBe(200);
    });
  });
});

interface Story {
  readonly rejection: LoggedEvent;
  /** From the rejected one on. */
  readonly sent: readonly LoggedEvent[];
  readonly serialBefore: string | undefined;
  /** After the rejection and another connection. */
  readonly meanwhile: Answer;
  readonly serialAfter: string | undefined;
  readonly afterwards: Answer;
}

async function tell(wire: Wire): Promise<Story> {
  await using stage = await Stage.prepare();
  const workloadApi = await stage.startWorkloadApi();
  const sidecar = await stage.startSidecar();
  const relay = await stage.openRelay();
  const server = await stage.startServer({ sdsSocket: relay.path, edit: (bootstrap, folder) => speak(bootstrap, wire, folder) });
  await server.live();
  const serial = () => workloadApi.serials().get(BACKEND);
  const answer = async () => {
    using caller = await callerOf(workloadApi, await server.port('mtls'));
    return await caller.get();
  };
  const serialBefore = serial();
  const before = sidecar.events.length;

  workloadApi.send(await unloadable());
  const rejection = await sidecar.event(({ event }) => event === 'secrets_rejected');
  const beforeReconnection = sidecar.events.length;
  relay.cut();
  const resubscribed = ({ event, names }: LoggedEvent) => event === 'stream_subscribed' && names?.includes(BACKEND);
  await sidecar.until((events) => events.slice(beforeReconnection).find(resubscribed));
  const meanwhile = await answer();

  await workloadApi.rotate();
  await server.presents(serial());
  const sent = sidecar.events.slice(before).filter(({ event }) => event === 'secrets_pushed');
  return { rejection, sent, serialBefore, meanwhile, serialAfter: serial(), afterwards: await answer() };
}

type Change = Parameters<DevWorkloadApi['send']>[0];

/** An SVID that the backend's Envoy does not load, from a CA that joins the bundle. */
async function unloadable(): Promise<Change> {
  const authority = await issueAuthority(validity());
  const leaf = await issueLeaf(authority, BACKEND, { ...validity(), extensions: [MUST_STAPLE] });
  return (response) => ({
    ...response,
    svids: response.svids.map((svid) => {
      const bundle = Buffer.concat([svid.bundle, authority.der]);
      return { ...svid, bundle, ...(svid.spiffe_id === BACKEND && { x509_svid: leaf.der, x509_svid_key: leaf.privateKey }) };
    }),
  });
}

function withAuthority({ svids, ...rest }: ReturnType<Change>, authority: Buffer): ReturnType<Change> {
  return { ...rest, svids: svids.map((svid) => ({ ...svid, bundle: Buffer.concat([svid.bundle, authority]) })) };
}

async function identityFrom(authority: Issued): Promise<TlsIdentity> {
  const { certificate, privateKey } = await issueLeaf(authority, 'spiffe://example.org/caller', validity());
  return { chainPem: certificate.toString('pem'), keyPem: privateKeyPem(privateKey) };
}

function validity() {
  return { notBefore: Date.now() - HOUR, notAfter: Date.now() + HOUR };
}

/** The version of the certificate, if it is there. */
function versionIn({ secrets = [] }: LoggedEvent): string | undefined {
  return secrets.find(({ name }) => name === BACKEND)?.version;
}
