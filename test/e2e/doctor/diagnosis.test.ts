/** Faults that concern Envoy, each in a system with a real one: doctor names the cause, and nothing else. */
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Document, parse, stringify } from 'yaml';
import { type Diagnosis, diagnose } from '../../support/doctor/diagnosis.ts';
import { asking } from '../../support/mesh/asking.ts';
import { clientBootstrap, serverBootstrap } from '../../support/mesh/bootstrap.ts';
import { describeWithEnvoy, Envoy } from '../../support/mesh/envoy.ts';
import { Stage } from '../../support/mesh/mesh.ts';
import type { SidecarProcess } from '../../support/sidecar/sidecar-process.ts';

const CLUSTER = ['static_resources', 'clusters', 0];
const CONTEXT = [
  ...['static_resources', 'listeners', 0, 'filter_chains', 0, 'transport_socket', 'typed_config', 'common_tls_context'],
];
const CERTIFICATE = [...CONTEXT, 'tls_certificate_sds_secret_configs', 0];
const VALIDATION = [...CONTEXT, 'combined_validation_context'];
const MATCHERS = [...VALIDATION, 'default_validation_context', 'match_typed_subject_alt_names'];
const TRUST = [...VALIDATION, 'validation_context_sds_secret_config'];
const SOURCE = [...CERTIFICATE, 'sds_config'];
const SDS_ENDPOINT = [...CLUSTER, 'load_assignment', 'endpoints', 0, 'lb_endpoints', 0, 'endpoint'];
/** RE2, but a larger program than Envoy takes. */
const TOO_LARGE = { regex: String.raw`spiffe://example\.org/(?:second|[a-z]{200})` };

describeWithEnvoy()('doctor', () => {
  let stage: Stage;
  let sidecar: SidecarProcess;
  let flags: readonly string[];
  beforeAll(async () => {
    stage = await Stage.prepare();
    await stage.startWorkloadApi();
    const admin = `unix://${join(stage.folder, 'admin.sock')}`;
    sidecar = await stage.startSidecar({ admin: { listen: admin }, secrets: [callers({ prefix: 'spiffe://example.org/' })] });
    await sidecar.event(({ event }) => event === 'admin_listening');
    await sidecar.event(({ event }) => event === 'secrets_updated');
    const workload = `unix://${join(stage.folder, 'workload.sock')}`;
    flags = ['--listen', `unix://${stage.sdsSocket}`, '--admin', admin, '--workload-api', workload];
  });
  afterAll(() => stage[Symbol.asyncDispose]());

  /** With an Envoy of its own, whose bootstrap was changed. */
  async function withEnvoy(edit: (bootstrap: Document) => void, isThere?: (envoy: Envoy) => Promise<unknown>) {
    const bootstrap = await serverBootstrap(stage.sdsSocket);
    edit(bootstrap);
    await using envoy = await Envoy.start(String(bootstrap));
    await isThere?.(envoy);
    return await diagnose(...flags, '--envoy-admin', envoy.adminUrl);
  }

  async function judged(text: string): Promise<Diagnosis> {
    const file = join(stage.folder, 'bootstrap.yaml');
    await writeFile(file, text);
    return diagnose(...flags, '--bootstrap', file);
  }

  it('finds nothing in a healthy system, down to the serial that Envoy presents', async () => {
    const { causes, findings, exitCode } = await withEnvoy(
      () => undefined,
      (envoy) => envoy.live(),
    );
    expect({ causes, exitCode }).toEqual({ causes: [], exitCode: 0 });
    expect(findings.map(({ id }) => id)).toContain('envoy.version');
  });

  it.each<[string, string, (bootstrap: Document) => void, RegExp?]>([
    ['a name that nobody registered', 'names.not_registered', asking({ certificate: 'spiffe://example.org/payments/api' })],
    ['a bundle that is not federated', 'names.not_federated', asking({ trust: 'spiffe://partner.test' })],
  ])('%s', async (_, cause, edit) => {
    const { causes } = await withEnvoy(edit);
    expect([...new Set(causes)]).toEqual([cause]);
  });

  it.each<[string, string, (bootstrap: Document) => void, readonly (string | number)[]]>([
    ['a misspelt SVID', 'names.unknown', asking({ certificate: 'spiffe://example.org/backnd' }), CERTIFICATE],
    ['a misspelt alias', 'names.unknown', asking({ certificate: 'defualt' }), CERTIFICATE],
    [
      'an SVID of another trust domain',
      'names.other_trust_domain',
      asking({ certificate: 'spiffe://elsewhere.test/backend' }),
      CERTIFICATE,
    ],
    ['a bundle in the place of a certificate', 'names.wrong_kind', asking({ certificate: 'ROOTCA' }), CERTIFICATE],
    ['a certificate in the place of a bundle', 'names.wrong_kind', asking({ trust: 'default' }), TRUST],
    [
      'matchers of DNS names under the SPIFFE validator',
      'envoy.dns_matchers',
      (bootstrap) => bootstrap.setIn(MATCHERS, [{ san_type: 'DNS', matcher: { exact: 'backend.test' } }]),
      MATCHERS.slice(0, -1),
    ],
    [
      'a circuit breaker that is too low',
      'envoy.circuit_breaker',
      (bootstrap) => bootstrap.setIn([...CLUSTER, 'circuit_breakers', 'thresholds'], [{ max_requests: 1 }]),
      CLUSTER,
    ],
    [
      'an SDS cluster without HTTP/2',
      'envoy.no_http2',
      (bootstrap) => bootstrap.deleteIn([...CLUSTER, 'typed_extension_protocol_options']),
      CLUSTER,
    ],
    [
      'an SDS cluster that leads to another socket',
      'envoy.other_socket',
      (bootstrap) => bootstrap.setIn([...SDS_ENDPOINT, 'address', 'pipe', 'path'], '/run/elsewhere/sds.sock'),
      SDS_ENDPOINT,
    ],
    [
      'initial_fetch_timeout: 0s',
      'envoy.waits_for_ever',
      (bootstrap) => bootstrap.setIn([...SOURCE, 'initial_fetch_timeout'], '0s'),
      SOURCE,
    ],
  ])('%s: the line that it says, written there, mends it', async (_, cause, edit, place) => {
    const { causes, findings } = await withEnvoy(edit);
    expect([...new Set(causes)]).toEqual([cause]);
    const bootstrap = await serverBootstrap(stage.sdsSocket);
    edit(bootstrap);
    const line = Object.entries(parse(findings[0]?.fix ?? '') as object);
    for (const [key, value] of line) bootstrap.setIn([...place, key], bootstrap.createNode(value));
    expect((await judged(String(bootstrap))).causes).toEqual([]);
  });

  it('two ConfigSources for one name', async () => {
    const { causes } = await withEnvoy((bootstrap) => {
      const { static_resources } = bootstrap.toJS({ maxAliasCount: -1 });
      const second = structuredClone(static_resources.listeners[0]);
      second.name = 'second';
      const { common_tls_context } = second.filter_chains[0].transport_socket.typed_config;
      for (const one of [
        common_tls_context.tls_certificate_sds_secret_configs[0],
        common_tls_context.combined_validation_context.validation_context_sds_secret_config,
      ])
        one.sds_config = { ...one.sds_config, initial_fetch_timeout: '14s' };
      bootstrap.addIn(['static_resources', 'listeners'], second);
    });
    expect([...new Set(causes)]).toEqual(['envoy.two_sources']);
  });

  it('an Envoy that does not run', async () => {
    expect((await diagnose(...flags, '--envoy-admin', 'http://127.0.0.1:1')).causes).toEqual(['envoy.no_admin']);
  });

  it('a secret that Envoy rejects: it gives the reason', async () => {
    const { causes, findings } = await withEnvoy(asking({ trust: 'callers' }), async (envoy) => {
      await envoy.live();
      await writeFile(
        sidecar.file,
        stringify({ admin: { listen: `unix://${join(stage.folder, 'admin.sock')}` }, secrets: [callers(TOO_LARGE)] }),
      );
      await sidecar.event(({ event }) => event === 'secrets_rejected');
    });
    expect(causes).toEqual(['envoy.rejected']);
    expect(findings[0]?.what).toContain('max program size');
  });

  describe('a bootstrap file', () => {
    it('with the SDS cluster after its use, which is only a warning: Envoy starts', async () => {
      const bootstrap = await clientBootstrap(stage.sdsSocket, 1);
      const { static_resources, ...rest } = bootstrap.toJS({ maxAliasCount: -1 });
      const turned = { ...rest, static_resources: { ...static_resources, clusters: static_resources.clusters.toReversed() } };
      expect((await judged(stringify(turned))).causes).toEqual(['envoy.cluster_after_use']);
      await using envoy = await Envoy.start(stringify(turned));
      await envoy.live();
    });

    it('without the SDS cluster that it names, as JSON', async () => {
      const bootstrap = await serverBootstrap(stage.sdsSocket);
      bootstrap.deleteIn(CLUSTER);
      const { causes, findings } = await judged(JSON.stringify(bootstrap.toJS({ maxAliasCount: -1 })));
      expect([...new Set(causes)]).toEqual(['envoy.no_sds_cluster']);
      const { clusters } = parse(findings[0]?.fix ?? '').static_resources;
      bootstrap.setIn(['static_resources', 'clusters'], bootstrap.createNode(clusters));
      expect((await judged(String(bootstrap))).causes).toEqual([]);
      await using envoy = await Envoy.start(String(bootstrap));
      await envoy.live();
    });

    it('with ADS in a static cluster', async () => {
      const bootstrap = await clientBootstrap(stage.sdsSocket, 1);
      const text = stringify(withAds(bootstrap.toJS({ maxAliasCount: -1 })));
      expect([...new Set((await judged(text)).causes)]).toEqual(['envoy.ads_in_cluster']);
    });

    it('that we ship is fine', async () => {
      expect((await judged(String(await serverBootstrap(stage.sdsSocket)))).causes).toEqual([]);
    });
  });
});

function callers(matcher: object) {
  return { name: 'callers', validation: { trust_domains: ['example.org'], match: [matcher] } };
}

/** Every ConfigSource is ADS. */
function withAds(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(withAds);
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(
    Object.entries(value).map(([key, part]) => [
      key,
      key === 'sds_config' ? { resource_api_version: 'V3', ads: {} } : withAds(part),
    ]),
  );
}
