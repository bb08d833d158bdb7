/** Faults in a running system of Workload API, sidecar and Envoy: doctor names the cause, nothing else, and what it tells to do mends it. */
import { execFile } from 'node:child_process';
import { chmod, link, mkdir, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import type { DevAuthority } from '../../../src/dev/authority.ts';
import type { WorkloadState } from '../../../src/dev/workload-state.ts';
import { DoctoredSystem } from '../../support/doctor/doctored-system.ts';
import { OlderEnvoy } from '../../support/doctor/older-envoy.ts';
import { AGENT, SpireServer } from '../../support/doctor/spire-server.ts';
import { describeWithEnvoy } from '../../support/mesh/envoy.ts';
import { BACKEND } from '../../support/mesh/mesh.ts';
import { Relay } from '../../support/mesh/relay.ts';
import { SdsClient } from '../../support/sds/sds-client.ts';
import { SidecarProcess } from '../../support/sidecar/sidecar-process.ts';
import { type Issued, issueCrl, issueLeaf } from '../../support/x509/certificates.ts';

const HOUR_MS = 3_600_000;
/** Longer than a rotation takes to reach Envoy. */
const SHORT_LIFE_MS = 5_000;
const SIDECAR_UID = 65_532;
const ENVOY_UID = 4_101;
const PERMISSION_DENIED = 7;
const isRoot = process.getuid?.() === 0;
if (!isRoot) console.warn('SKIPPED: parts of test/e2e/doctor/faults.test.ts need root, to be several users');

describeWithEnvoy()('in a running system, doctor finds', () => {
  let system: DoctoredSystem;
  beforeAll(async () => {
    system = await DoctoredSystem.prepare();
    await system.startWorkloadApi();
    await system.startSidecar();
    await system.startEnvoy();
    await system.envoy.live();
    await system.healthy();
  });
  afterAll(() => system[Symbol.asyncDispose]());

  it('a Workload API that has ended', async () => {
    await system.workloadApi.close();
    await system.sidecar.event(({ event }) => event === 'workload_api_lost');
    expect((await system.sick()).causes).toEqual(['workload_api.missing']);
    await system.startWorkloadApi({ intermediate: true });
    await system.healthy();
  });

  it('a sidecar that nobody registered: the entry that it says is that of the Envoy, for the process of the sidecar', async () => {
    const server = await SpireServer.install(system.folder);
    await system.workloadApi.setIdentities([]);
    system.workloadApi.endStreams(PERMISSION_DENIED);
    const { causes, findings } = await system.sick();
    expect(causes).toEqual(['workload_api.no_identity']);
    await typed(findings[0]?.fix, `${server.folder}:${process.env['PATH']}`);
    const entry = { '-parentID': AGENT, '-spiffeID': BACKEND, '-selector': `unix:uid:${process.getuid?.()}` };
    expect(await server.entry()).toEqual(entry);
    await system.workloadApi.setIdentities([{ path: '/backend' }]);
    await system.healthy();
  });

  it.each([
    ['Ed25519', 'identity.key_type'],
    ['RSA 1024', 'workload_api.message_unusable'],
  ] as const)('a key that Envoys do not take: %s', async (key, cause) => {
    await system.workloadApi.serve((state) => withKey(state, key));
    expect((await system.sick()).causes).toEqual([cause]);
    await system.workloadApi.rotate();
    await system.healthy();
  });

  it('a CRL that has expired', async () => {
    const dates = { thisUpdate: Date.now() - 2 * HOUR_MS, nextUpdate: Date.now() - HOUR_MS };
    await system.workloadApi.serve(async (state) => ({
      ...state,
      crls: await Promise.all(signersOf(state).map((signer) => issueCrl(signer, dates))),
    }));
    expect((await system.sick()).causes).toEqual(['crl.expired']);
    await system.workloadApi.serve((state) => ({ ...state, crls: [] }));
    await system.healthy();
  });

  it('a bundle without a self-signed root', async () => {
    let whole: readonly DevAuthority[] = [];
    await system.workloadApi.serve((state) => {
      whole = state.authorities;
      const intermediate = state.active.signers[1]?.certificate.rawData ?? new ArrayBuffer();
      return { ...state, authorities: [{ ...state.active, certificate: new Uint8Array(intermediate) }] };
    });
    expect((await system.sick()).causes).toEqual(['bundle.no_root']);
    await system.workloadApi.serve((state) => ({ ...state, authorities: whole }));
    await system.healthy();
  });

  it('a certificate that was not rotated in time; a sidecar that does not hear of the newer one; one that is cut off', async () => {
    const path = join(system.folder, 'relay.sock');
    const relay = await Relay.open(path, system.workloadSocket);
    await system.startSidecar({ workloadApi: path });
    system.clock.offsetMs = SHORT_LIFE_MS - HOUR_MS;
    await system.workloadApi.rotate();
    await system.sidecar.event(({ event }) => event === 'svid_expired');
    expect((await system.sick()).causes).toEqual(['identity.expired']);
    relay.hold();
    system.clock.offsetMs = 0;
    await system.workloadApi.rotate();
    expect((await system.sick()).causes).toEqual(['sidecar.stale']);
    relay.release();
    await system.healthy();
    await relay[Symbol.asyncDispose]();
    await system.sidecar.event(({ event }) => event === 'workload_api_lost');
    expect((await system.sick()).causes).toEqual(['sidecar.cut_off']);
  });

  it.each([
    ['a clock that is ahead', -2, 'clock.ahead'],
    ['a clock that is behind', 2, 'clock.behind'],
  ])('%s', async (_, hours, cause) => {
    system.clock.offsetMs = hours * HOUR_MS;
    await system.startWorkloadApi();
    system.clock.offsetMs = 0;
    await system.startSidecar();
    await system.sidecar.event(({ event }) => event === 'secrets_updated');
    expect((await system.sick()).causes).toEqual([cause]);
  });

  it('an authority that is not valid when its certificate is', async () => {
    await system.workloadApi.rotate();
    await system.startSidecar();
    await system.sidecar.event(({ event }) => event === 'svid_expired');
    expect((await system.sick()).causes).toEqual(['identity.no_path']);
    await system.startWorkloadApi();
    await system.healthy();
  });

  it('another thing, or none, in the place of the socket of the Workload API', async () => {
    const path = join(system.folder, 'elsewhere.sock');
    await system.startSidecar({ workloadApi: path });
    await system.sidecar.event(({ event }) => event === 'workload_api_lost');
    const causes = async () => (await system.sick('--workload-api', `unix://${path}`)).causes;
    expect(await causes()).toEqual(['workload_api.missing']);
    await mkdir(path);
    expect(await causes()).toEqual(['workload_api.folder']);
    await rm(path, { recursive: true });
    await writeFile(path, '');
    expect(await causes()).toEqual(['workload_api.no_socket']);
  });

  it.runIf(isRoot)('a socket of the Workload API that the sidecar may not use, though root may, who asks', async () => {
    await chmod(system.workloadSocket, 0o600);
    await system.startSidecar({ uid: SIDECAR_UID });
    await system.sidecar.event(({ event }) => event === 'workload_api_lost');
    const { causes, findings } = await system.sick();
    expect(causes).toEqual(['workload_api.forbidden']);
    await typed(findings[0]?.fix);
    await system.healthy();
  });

  it('a collector that is down, which is harmless', async () => {
    const env = { OTEL_EXPORTER_OTLP_ENDPOINT: 'http://127.0.0.1:1', OTEL_BSP_SCHEDULE_DELAY: '100' };
    await system.startSidecar({ env });
    await system.sidecar.event(({ event }) => event === 'telemetry_failed');
    const { causes, findings, exitCode } = await system.sick();
    expect({ causes, exitCode }).toEqual({ causes: ['telemetry.failed'], exitCode: 0 });
    expect(findings[0]?.why).toContain('harmless');
  });

  it('an audit log that takes nothing, which is harmless', async () => {
    await system.startSidecar({ configuration: { log: { audit: '/dev/full' } } });
    await system.sidecar.event(({ event }) => event === 'audit_failed');
    const { causes, findings, exitCode } = await system.sick();
    expect({ causes, exitCode }).toEqual({ causes: ['audit.failed'], exitCode: 0 });
    expect(findings[0]?.why).toContain('harmless');
  });

  it('an admin address that another sidecar has', async () => {
    const path = join(system.folder, 'run', 'other.sock');
    const admin = `unix://${join(system.folder, 'run', 'taken.sock')}`;
    const configuration = { admin: { listen: admin } };
    await using other = await SidecarProcess.start(system.workloadApi.address, path, configuration);
    await other.event(({ event }) => event === 'admin_listening');
    await system.startSidecar({ configuration });
    expect((await system.sick('--admin', admin)).causes).toEqual(['admin.taken']);
    await other.stop();
    await system.healthy('--admin', admin);
  });

  it('another sidecar that was put on the path, and nothing when one is only refused there', async () => {
    await system.startSidecar();
    const second = SidecarProcess.start(system.workloadApi.address, system.sdsSocket);
    await expect(second).rejects.toThrow('another process answers there');
    await system.healthy();
    const path = join(system.folder, 'run', 'other.sock');
    await using other = await SidecarProcess.start(system.workloadApi.address, path);
    // The first puts its socket back every two seconds: then the other is put there again.
    const copy = join(system.folder, 'run', 'copy.sock');
    const put = () =>
      link(path, copy)
        .catch(() => undefined)
        .then(() => rename(copy, system.sdsSocket));
    const thief = setInterval(() => void put().catch(() => undefined), 20);
    const { causes } = await system.sick().finally(() => clearInterval(thief));
    expect(causes).toEqual(['sds.taken']);
    await other.stop();
    await system.healthy();
  });

  it('an Envoy that is too old, and not that it rejects what it does not know', async () => {
    await using older = await OlderEnvoy.of(system.envoy.adminUrl, '1.17.4');
    using client = new SdsClient(system.sdsSocket);
    const stream = client.stream().request(['spiffe://example.org'], { node: { id: 'backend-envoy' } });
    stream.nack(await stream.next(), "Didn't find a registered implementation for name: 'envoy.tls.cert_validator.spiffe'");
    await system.sidecar.event(({ event }) => event === 'secrets_rejected');
    expect((await system.diagnose('--envoy-admin', older.adminUrl)).causes).toEqual(['envoy.too_old']);
  });

  describe.runIf(isRoot)('of an Envoy of another user', () => {
    const group = ENVOY_UID;

    it('that it is not in the group of the socket', async () => {
      await system.startSidecar({ configuration: { sds: { group } } });
      await system.startEnvoy(undefined, ENVOY_UID);
      await system.envoy.live();
      await system.healthy();
      await system.startSidecar();
      const { causes, findings } = await system.sick();
      expect(causes).toEqual(['sds.peer_kept_out']);
      await system.startSidecar({ configuration: parse(findings[0]?.fix ?? '') });
      await system.healthy();
    });

    it.each([
      ['the user', 'sds.peer_refused', { uid: [1337] }, []],
      ['its node', 'sds.peer_refused', { gid: [group], node_id: ['another-envoy'] }, [/closed.*: 7,/]],
      ['the name', 'names.not_allowed', { uid: [ENVOY_UID], names: ['spiffe://example.org'] }, []],
    ])('that sds.allow does not have %s', async (_, cause, rule, said) => {
      await system.startSidecar({ configuration: { sds: { group, allow: [rule] } } });
      await system.startEnvoy(undefined, ENVOY_UID);
      const { causes, findings } = await system.sick();
      expect(causes).toEqual([cause]);
      await system.startSidecar({ configuration: { sds: { group, ...parse(findings[0]?.fix ?? '').sds } } });
      await system.healthy();
      for (const line of said) expect(system.envoy.log).toMatch(line);
    });
  });
});

function typed(fix = 'false', path = process.env['PATH']): Promise<unknown> {
  return promisify(execFile)('sh', ['-c', fix], { env: { PATH: path } });
}

/** The root first. */
function signersOf({ active }: WorkloadState): readonly Issued[] {
  return active.signers.map(({ certificate, privateKey }) => ({
    certificate,
    der: Buffer.from(certificate.rawData),
    privateKey: Buffer.alloc(0),
    keys: { privateKey, publicKey: privateKey },
  }));
}

async function withKey(state: WorkloadState, key: 'Ed25519' | 'RSA 1024'): Promise<WorkloadState> {
  const dates = { notBefore: Date.now() - HOUR_MS, notAfter: Date.now() + HOUR_MS };
  const leaf = await issueLeaf(signersOf(state).at(-1) as Issued, BACKEND, { key, ...dates });
  const { der, privateKey, certificate } = leaf;
  const identities = state.identities.map((identity) => {
    const { chain } = identity.svid;
    return {
      ...identity,
      svid: { ...identity.svid, chain: [der, ...chain.slice(1)], privateKey, serial: certificate.serialNumber },
    };
  });
  return { ...state, identities };
}
