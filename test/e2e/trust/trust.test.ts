/** Whom a real Envoy lets in, and who it is, when trust and names change under it. */
import { expect, it } from 'vitest';
import { eventually } from '../../support/eventually.ts';
import { asking, type Names } from '../../support/mesh/asking.ts';
import { describeWithEnvoy, type Envoy } from '../../support/mesh/envoy.ts';
import { BACKEND, FRONTEND, Stage, startMesh } from '../../support/mesh/mesh.ts';
import { MtlsClient } from '../../support/mesh/mtls-client.ts';
import type { TestWorkloadApi } from '../../support/workload-api/test-workload-api.ts';

/** @param before what the Workload API says before the Envoy asks: a listener waits for names that are not there */
async function startServer(names: Names, configuration: object = {}, before?: (workloadApi: TestWorkloadApi) => Promise<void>) {
  const stage = await Stage.prepare();
  const workloadApi = await stage.startWorkloadApi();
  await before?.(workloadApi);
  await stage.startSidecar(configuration);
  const server = await stage.startServer({ edit: asking(names) });
  await server.live();
  return { workloadApi, server, [Symbol.asyncDispose]: () => stage[Symbol.asyncDispose]() };
}

const withPartner = (workloadApi: TestWorkloadApi) => workloadApi.federate('partner.test');

/** A client with an SVID of that trust domain, which means to call `callee`. */
async function peer(workloadApi: TestWorkloadApi, server: Envoy, trustDomain: string, path = '/peer', callee = BACKEND) {
  const { bundlePem } = await workloadApi.issueForeign('example.org', '/any');
  return new MtlsClient(await server.port('mtls'), callee, bundlePem, await workloadApi.issueForeign(trustDomain, path));
}

/** Until a new handshake of such a client ends that way. */
function newHandshake(what: 'is refused' | 'is let in', connect: () => Promise<MtlsClient>): Promise<true> {
  return eventually(`a new handshake that ${what}`, async () => {
    using client = await connect();
    const letIn = await client.get().then(
      () => true,
      () => false,
    );
    return letIn === (what === 'is let in') || undefined;
  });
}

describeWithEnvoy()('a federated trust domain', () => {
  it('is let in when it comes, and refused at the next handshake when it goes; open connections live', async () => {
    await using running = await startServer({});
    const { workloadApi, server } = running;
    const connect = () => peer(workloadApi, server, 'partner.test');
    await newHandshake('is refused', connect);
    await workloadApi.federate('partner.test');
    await newHandshake('is let in', connect);

    using established = await connect();
    const { localPort } = await established.get();
    await workloadApi.unfederate('partner.test');
    await newHandshake('is refused', connect);
    expect(await established.get()).toMatchObject({ status: 200, localPort });
    await newHandshake('is let in', () => peer(workloadApi, server, 'example.org'));
  });

  it('that is asked for by its own name gives way to nobody when it goes', async () => {
    await using running = await startServer({ trust: 'spiffe://partner.test' }, {}, withPartner);
    const { workloadApi, server } = running;
    await newHandshake('is let in', () => peer(workloadApi, server, 'partner.test'));
    await workloadApi.unfederate('partner.test');
    await newHandshake('is refused', () => peer(workloadApi, server, 'partner.test'));
    await newHandshake('is refused', () => peer(workloadApi, server, 'example.org'));
  });
});

describeWithEnvoy()('a workload that is denied', () => {
  it('lets nobody in until it is allowed again', async () => {
    await using running = await startServer({ trust: 'ROOTCA' });
    const { workloadApi, server } = running;
    const connect = () => peer(workloadApi, server, 'example.org');
    await newHandshake('is let in', connect);
    workloadApi.deny();
    await newHandshake('is refused', connect);
    workloadApi.allow();
    await newHandshake('is let in', connect);
  });
});

describeWithEnvoy()('a revoked certificate', () => {
  it.each(['spiffe', 'trusted_ca'])('is refused in the form %s, others are not', async (mode) => {
    await using mesh = await startMesh(undefined, { configuration: { validation: { mode } } });
    const { workloadApi, server } = mesh;
    expect((await fetch(mesh.url)).status).toBe(200);
    await workloadApi.revoke(FRONTEND);
    await eventually('a request that fails', async () => (await fetch(mesh.url)).status === 503 || undefined);
    await newHandshake('is let in', () => peer(workloadApi, server, 'example.org'));
  });
});

describeWithEnvoy()('names of the operator', () => {
  const API = 'spiffe://partner.test/api/';
  const partners = { name: 'partners', validation: { trust_domains: ['partner.test'], match: [{ prefix: API }] } };

  it('a policy lets in whom it names, and nobody else', async () => {
    await using running = await startServer({ trust: 'partners' }, { secrets: [partners] }, withPartner);
    const { workloadApi, server } = running;
    await newHandshake('is let in', () => peer(workloadApi, server, 'partner.test', '/api/one'));
    await newHandshake('is refused', () => peer(workloadApi, server, 'partner.test', '/web'));
    await newHandshake('is refused', () => peer(workloadApi, server, 'example.org', '/api/one'));
  });

  it('a policy widens the matchers in the configuration of Envoy', async () => {
    const admitted = [{ exact: 'spiffe://partner.test/web' }];
    await using running = await startServer({ trust: 'partners', admitted }, { secrets: [partners] }, withPartner);
    const { workloadApi, server } = running;
    await newHandshake('is let in', () => peer(workloadApi, server, 'partner.test', '/api/one'));
    await newHandshake('is let in', () => peer(workloadApi, server, 'partner.test', '/web'));
    await newHandshake('is refused', () => peer(workloadApi, server, 'partner.test', '/db'));
  });

  it('a hint chooses the SVID', async () => {
    const secrets = [{ name: 'internal', svid: { hint: 'internal' } }];
    const identities = [{ path: '/backend' }, { path: '/inside', hint: 'internal' }];
    await using running = await startServer({ certificate: 'internal' }, { secrets }, (api) => api.setIdentities(identities));
    const { workloadApi, server } = running;
    await newHandshake('is let in', () => peer(workloadApi, server, 'example.org', '/peer', 'spiffe://example.org/inside'));
  });

  it.each([
    ['istio', 'sds://default', 'sds://ROOTCA'],
    ['istio-federation', 'default', 'ROOTCA'],
    ['kuma', BACKEND, 'ALL'],
  ])('the preset %s serves %s and %s', async (preset, certificate, trust) => {
    await using running = await startServer({ certificate, trust }, { names: { preset } });
    const { workloadApi, server } = running;
    await newHandshake('is let in', () => peer(workloadApi, server, 'example.org'));
    await workloadApi.federate('partner.test');
    if (preset !== 'istio') await newHandshake('is let in', () => peer(workloadApi, server, 'partner.test'));
  });
});
