/** Systems that are healthy, of many shapes, each with a real Envoy: doctor finds nothing wrong with any of them. */
import { symlink } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { type Document, stringify } from 'yaml';
import { DevBroker } from '../../../src/dev/dev-broker.ts';
import { diagnose } from '../../support/doctor/diagnosis.ts';
import { DoctoredSystem } from '../../support/doctor/doctored-system.ts';
import { asking } from '../../support/mesh/asking.ts';
import { clientBootstrap, partOf, serverBootstrap } from '../../support/mesh/bootstrap.ts';
import { describeWithEnvoy, Envoy } from '../../support/mesh/envoy.ts';
import { BACKEND } from '../../support/mesh/mesh.ts';
import { ResourceFile } from '../../support/sds/resource-file.ts';
import { speak } from '../../support/sds/wire.ts';
import { SidecarProcess } from '../../support/sidecar/sidecar-process.ts';
import { OtlpReceiver } from '../../support/telemetry/otlp-receiver.ts';

const PARTNER = 'partner.test';
const isRoot = process.getuid?.() === 0;

describeWithEnvoy()('doctor finds nothing', () => {
  let system: DoctoredSystem;
  beforeAll(async () => {
    system = await DoctoredSystem.prepare();
    await system.startWorkloadApi({ identities: [{ path: '/backend' }, { path: '/frontend' }], federated: [PARTNER] });
    const tokens = [{ name: 'payments-token', jwt_svid: { audience: ['payments'] } }];
    const jwks = { listen: `unix://${join(system.folder, 'run', 'jwks.sock')}` };
    await system.startSidecar({ configuration: { secrets: tokens, jwks } });
    await system.sidecar.event(({ event }) => event === 'jwks_listening');
  });
  afterAll(() => system[Symbol.asyncDispose]());

  const shapes: readonly [string, (bootstrap: Document) => Promise<unknown> | unknown][] = [
    ['by state of the world', () => undefined],
    ['by delta', (bootstrap) => speak(bootstrap, { api: 'DELTA_GRPC', ads: false, unifiedMux: false, name: '' }, system.folder)],
    ['by ADS', (bootstrap) => speak(bootstrap, { api: 'GRPC', ads: true, unifiedMux: false, name: '' }, system.folder)],
    ['for aliases', asking({ certificate: 'default', trust: 'ROOTCA' })],
    ['for all bundles, with a federated one', asking({ trust: 'ALL' })],
    ['for the bundle of a federated trust domain', asking({ trust: `spiffe://${PARTNER}` })],
    [
      'in a listener that came by xDS',
      async (bootstrap) => {
        const { static_resources } = bootstrap.toJS({ maxAliasCount: -1 });
        const file = await ResourceFile.create('lds', system.folder, 'listeners', static_resources.listeners);
        file.addTo(bootstrap);
        bootstrap.setIn(['static_resources', 'listeners'], []);
      },
    ],
  ];

  it.each(shapes)('where an Envoy asks %s', async (_, edit) => {
    const bootstrap = await serverBootstrap(system.sdsSocket);
    await edit(bootstrap);
    await using envoy = await Envoy.start(String(bootstrap));
    await envoy.live();
    await expectNothing(envoy);
  });

  it('where an Envoy asks another sidecar, too, for other names', async () => {
    const other = join(system.folder, 'run', 'other.sock');
    await using _sidecar = await SidecarProcess.start(system.workloadApi.address, other, {
      secrets: [{ name: 'theirs', svid: { spiffe_id: BACKEND } }],
    });
    const bootstrap = await serverBootstrap(system.sdsSocket);
    const both = bootstrap.toJS({ maxAliasCount: -1 });
    const [cluster] = both.static_resources.clusters;
    both.static_resources.clusters.push(
      JSON.parse(JSON.stringify({ ...cluster, name: 'their_sds' }).replaceAll(system.sdsSocket, other)),
    );
    const [listener] = both.static_resources.listeners;
    const second = JSON.parse(
      JSON.stringify({ ...listener, name: 'second' })
        .replaceAll('"spiffe_sds"', '"their_sds"')
        .replace(`"${BACKEND}"`, '"theirs"'),
    );
    both.static_resources.listeners.push(second);
    await using envoy = await Envoy.start(stringify(both, { aliasDuplicateObjects: false }));
    await envoy.live();
    await expectNothing(envoy);
  });

  it('where an Envoy calls and asks for its secrets in a cluster', async () => {
    await using envoy = await Envoy.start(String(await clientBootstrap(system.sdsSocket, 1)));
    await envoy.live();
    await expectNothing(envoy);
  });

  it.each([
    ['tokens', 'jwt.yaml', ['caller', 'callee'], 1],
    ['RBAC', 'authorization.yaml', ['mtls'], 0],
  ] as const)('where an Envoy has %s', async (_, file, listeners, port) => {
    const text = await partOf(file, 'shaped', listeners, join(system.folder, 'run'), port);
    await using envoy = await Envoy.start(text);
    await envoy.live();
    await expectNothing(envoy);
  });

  it('where rules say what each may have, a collector takes telemetry, and an Envoy mounts the folder at another place', async () => {
    await using collector = await OtlpReceiver.open({ protocol: 'http/protobuf' });
    const allow = [{ uid: [1337] }, { uid: [process.getuid?.() ?? 0], names: [BACKEND, 'spiffe://example.org'] }];
    await system.startSidecar({
      configuration: { sds: { allow }, log: { audit: join(system.folder, 'run', 'audit.log') } },
      env: {
        OTEL_EXPORTER_OTLP_ENDPOINT: collector.endpoint,
        OTEL_EXPORTER_OTLP_PROTOCOL: 'http/protobuf',
        OTEL_BSP_SCHEDULE_DELAY: '100',
      },
    });
    await symlink(join(system.folder, 'run'), join(system.folder, 'mounted'));
    await using envoy = await Envoy.start(String(await serverBootstrap(join(system.folder, 'mounted', 'sds.sock'))));
    await envoy.live();
    await collector.first('traces');
    await expectNothing(envoy);
  });

  it.runIf(isRoot)('in node mode, of an Envoy of another user', async () => {
    const broker = `unix://${join(system.folder, 'broker.sock')}`;
    await system.startWorkloadApi({ identities: [{ path: '/spiffe-sds' }, { path: '/backend', of: { uid: 4001 } }] });
    await using _broker = await DevBroker.start({
      address: broker,
      workloadApi: system.workloadApi,
      admits: ['spiffe://example.org/spiffe-sds'],
    });
    await system.startSidecar({ configuration: { mode: 'node', broker: { address: broker }, sds: { mode: '0666' } } });
    await using envoy = await Envoy.start(String(await serverBootstrap(system.sdsSocket)), undefined, undefined, 4001);
    await envoy.live();
    await expectNothing(envoy);
  });

  async function expectNothing(envoy: Envoy): Promise<void> {
    const { findings, causes, exitCode } = await diagnose(...system.flags, '--envoy-admin', envoy.adminUrl);
    const told = findings.filter(({ severity }) => severity !== 'fine');
    expect({ told, causes, exitCode }).toEqual({ told: [], causes: [], exitCode: 0 });
  }
});
