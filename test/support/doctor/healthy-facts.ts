/** A healthy system as facts, for a test to change one of them. */
import type { Status } from '../../../src/admin/status.ts';
import { loadConfiguration } from '../../../src/config/load.ts';
import { readEnvoyConfiguration } from '../../../src/doctor/envoy-configuration.ts';
import type { RunningEnvoy } from '../../../src/doctor/envoy-facts.ts';
import type { Facts, Ownership } from '../../../src/doctor/facts.ts';

export const NOW = Date.UTC(2030, 0, 1, 12);
export const HOUR = 3_600_000;
export const ID = 'spiffe://example.org/backend';
export const OWNERSHIP: Ownership = { uid: 0, gid: 101, mode: 0o660, folders: [{ path: '/run', uid: 0, gid: 0, mode: 0o755 }] };

export const status: Status = {
  version: '0.1.0',
  started_at: new Date(NOW - HOUR).toISOString(),
  uptime: 3600,
  ready: true,
  checks: [{ name: 'socket', ok: true, reason: 'SDS is served' }],
  sds: { address: 'unix:///run/sds.sock' },
  process: { pid: 7, uid: 65532, gid: 65532 },
  waiting: [],
  problems: [],
  configuration: { digest: 'sha256:0', values: {} },
  history: { upstream: [], delivery: [], nacks: [] },
  upstream: { address: 'unix:///run/api.sock', state: 'connected', since: new Date(NOW - HOUR).toISOString() },
  identities: [
    {
      id: ID,
      hint: '',
      serial: '0A',
      state: 'fresh',
      not_after: new Date(NOW + HOUR).toISOString(),
      expires_in: 3600,
      received_at: new Date(NOW - HOUR).toISOString(),
      names: [ID],
    },
  ],
  bundles: [],
  tokens: [],
  names: [
    { name: ID, kind: 'tls_certificate', versions: [] },
    { name: 'spiffe://example.org', kind: 'validation_context', versions: [] },
  ],
  subscribers: [],
  subscribers_total: 0,
  held: [],
  counts: { connections: 0, streams: 0, subscriptions: 0, held: 0 },
};

const sdsConfig = { api_config_source: { api_type: 'GRPC', grpc_services: [{ envoy_grpc: { cluster_name: 'sds' } }] } };
export const configuration = readEnvoyConfiguration({
  static_resources: {
    clusters: [
      {
        name: 'sds',
        http2_protocol_options: {},
        load_assignment: { endpoints: [{ lb_endpoints: [{ endpoint: { address: { pipe: { path: '/run/sds.sock' } } } }] }] },
      },
    ],
    listeners: [
      { tls_certificate_sds_secret_configs: [{ name: ID, sds_config: sdsConfig }] },
      { validation_context_sds_secret_config: { name: 'spiffe://example.org', sds_config: sdsConfig } },
    ],
  },
});

export const envoy: RunningEnvoy = {
  version: '1.40.0',
  state: 'LIVE',
  configuration,
  warming: [],
  stats: new Map([[`sds.spiffe_example.org.control_plane.connected_state`, 1]]),
  serials: new Map([[ID, ['a']]]),
};

export const healthy: Facts = {
  now: NOW,
  configuration: loadConfiguration({
    flags: { listen: 'unix:///run/sds.sock', workload_api: 'unix:///run/api.sock' },
    env: {},
    readFile: () => '',
  }).configuration,
  advice: [],
  workloadApi: {
    endpoint: { kind: 'unix', path: '/run/api.sock' },
    socket: { state: 'answers', ...OWNERSHIP },
    answer: {
      kind: 'context',
      identities: [{ id: ID, serial: '0A', notBefore: NOW - HOUR, notAfter: NOW + HOUR }],
      trustDomains: ['example.org'],
      expiredCrls: [],
    },
  },
  self: { pid: 8, uid: 1000, gid: 1000 },
  sds: {
    path: '/run/sds.sock',
    socket: { state: 'answers', ...OWNERSHIP },
    answer: {
      kind: 'secrets',
      secrets: [
        { name: ID, kind: 'tls_certificate', serial: 'a' },
        { name: 'spiffe://example.org', kind: 'validation_context', spiffe: { trustDomains: ['example.org'], rootless: [] } },
      ],
    },
  },
  sidecar: { kind: 'status', status, process: { pid: 7, uid: 65532, gid: 65532 } },
  expectsSidecar: true,
  envoy: { kind: 'running', envoy },
};
