import { describe, expect, test } from 'vitest';
import { formatConfiguration } from '../../../src/config/format.ts';
import { type ConfigurationInputs, loadConfiguration } from '../../../src/config/load.ts';

function load(text: string, { flags, env }: Partial<ConfigurationInputs> = {}) {
  return loadConfiguration({ flags: { config: '/etc/x.yaml', ...flags }, env: env ?? {}, readFile: () => text });
}

const noFile = () => {
  throw new Error('there is no file to read');
};

const defaults = {
  mode: 'sidecar',
  workload_api: {},
  broker: {
    backend: 'broker',
    reference: 'pid',
    limits: { workloads: 1024, workloads_per_uid: 256, attestations_per_second: 100 },
  },
  node: { allow_without_pidfd: false },
  sds: {
    listen: { kind: 'unix', path: '/run/spiffe-sds/sds.sock' },
    mode: 0o660,
    bundle_ack_timeout: 2000,
    limits: { connections: 64, streams_per_connection: 16_384, names_per_stream: 1024, request_bytes: 1_048_576 },
  },
  names: {
    preset: 'spire',
    default_svid: 'default',
    default_bundle: 'ROOTCA',
    default_all_bundles: 'ALL',
    on_demand: [],
    answer_empty_request: true,
    jwt_audiences: [],
  },
  validation: { mode: 'spiffe', crl: true, unsafe_merge: false },
  on_permission_denied: 'withdraw',
  secrets: [],
  jwks: { listen: 'off' },
  admin: {
    listen: { kind: 'tcp', host: '127.0.0.1', port: 8082 },
    remote: false,
    hosts: [],
    probes: 'off',
    probes_metrics: false,
  },
  telemetry: {
    otlp: { headers: {}, timeout: 10_000, traces: true, metrics: true, logs: false, metric_interval: 60_000, push_spans: 32 },
    prometheus: true,
    resource: {},
  },
  process: { dumpable: false },
  log: { level: 'info', format: 'json', audit: 'stdout' },
};

describe('a configuration', () => {
  test('without file, flags and environment is the defaults', () => {
    expect(loadConfiguration({ flags: {}, env: {}, readFile: noFile }).configuration).toEqual(defaults);
  });

  test.each([
    ['empty', ''],
    ['all comments', '# sds:\n'],
    ['of empty sections', 'workload_api:\nsds:\nnames: {}\nlog:\n  # level: debug\n'],
  ])('from a file that is %s is the defaults', (_, text) => {
    expect(load(text).configuration).toEqual(defaults);
  });

  test('serves no keys of tokens over TCP', () => {
    expect(() => load('jwks: { listen: "tcp://127.0.0.1:1" }')).toThrow('use a Unix socket: unix:///absolute/path');
  });

  test('may list several Workload APIs, in the place of which a flag or a variable puts one', () => {
    const text = 'workload_api:\n  - address: unix:///a\n  - address: tcp://127.0.0.1:1\n';
    expect(load(text).configuration.workload_api).toEqual([
      { address: { kind: 'unix', path: '/a' } },
      { address: { kind: 'tcp', host: '127.0.0.1', port: 1 } },
    ]);
    const { configuration, sources } = load(text, { env: { SPIFFE_ENDPOINT_SOCKET: 'unix:///c' } });
    expect(configuration.workload_api).toEqual({ address: { kind: 'unix', path: '/c' } });
    expect(sources.get('workload_api.address')).toBe('environment SPIFFE_ENDPOINT_SOCKET');
  });

  test('takes every key from its file', () => {
    const text = `
mode: node
workload_api: { address: "tcp://[::1]:8081" }
broker:
  address: tcp://agent.example.org:8443
  backend: broker
  server_id: spiffe://example.org/agents/*
  reference: pod
  limits: { workloads: 1, workloads_per_uid: 2, attestations_per_second: 3 }
node: { allow_without_pidfd: true }
sds:
  listen: unix:///run/s.sock
  mode: "0600"
  group: envoy
  bundle_ack_timeout: 1m30s
  limits: { connections: 1, streams_per_connection: 2, names_per_stream: 3, request_bytes: 64KiB }
names:
  preset: istio
  default_svid: ""
  default_bundle: CA
  default_all_bundles: ""
  on_demand: ["*.example.org"]
  answer_empty_request: false
  jwt_audiences: [payments]
validation: { mode: trusted_ca, crl: false, unsafe_merge: true }
on_permission_denied: keep
secrets: [{ name: internal, svid: { hint: internal } }]
jwks: { listen: unix:///run/jwks.sock }
admin: { listen: "0.0.0.0:9090", remote: true, hosts: [sidecar], probes: "0.0.0.0:8083", probes_metrics: true }
telemetry:
  otlp:
    endpoint: unix:///run/otel.sock
    protocol: grpc
    headers: { authorization: Bearer abc }
    ca: /ca.pem
    client_certificate: /c.pem
    client_key: /k.pem
    timeout: 1s
    traces: false
    metrics: false
    logs: true
    metric_interval: 5s
    push_spans: 0
  prometheus: false
  resource: { deployment.environment: test }
process: { dumpable: true }
log: { level: silent, format: text, audit: /var/log/audit.json }
`;
    expect(load(text).configuration).toEqual({
      mode: 'node',
      workload_api: { address: { kind: 'tcp', host: '::1', port: 8081 } },
      broker: {
        address: { kind: 'tcp', host: 'agent.example.org', port: 8443 },
        backend: 'broker',
        server_id: 'spiffe://example.org/agents/*',
        reference: 'pod',
        limits: { workloads: 1, workloads_per_uid: 2, attestations_per_second: 3 },
      },
      node: { allow_without_pidfd: true },
      sds: {
        listen: { kind: 'unix', path: '/run/s.sock' },
        mode: 0o600,
        group: 'envoy',
        bundle_ack_timeout: 90_000,
        limits: { connections: 1, streams_per_connection: 2, names_per_stream: 3, request_bytes: 65_536 },
      },
      names: {
        preset: 'istio',
        default_svid: '',
        default_bundle: 'CA',
        default_all_bundles: '',
        on_demand: ['*.example.org'],
        answer_empty_request: false,
        jwt_audiences: ['payments'],
      },
      validation: { mode: 'trusted_ca', crl: false, unsafe_merge: true },
      on_permission_denied: 'keep',
      secrets: [{ name: 'internal', svid: { hint: 'internal' } }],
      jwks: { listen: { kind: 'unix', path: '/run/jwks.sock' } },
      admin: {
        listen: { kind: 'tcp', host: '0.0.0.0', port: 9090 },
        remote: true,
        hosts: ['sidecar'],
        probes: { kind: 'tcp', host: '0.0.0.0', port: 8083 },
        probes_metrics: true,
      },
      telemetry: {
        otlp: {
          endpoint: 'unix:///run/otel.sock',
          protocol: 'grpc',
          headers: { authorization: 'Bearer abc' },
          ca: '/ca.pem',
          client_certificate: '/c.pem',
          client_key: '/k.pem',
          timeout: 1_000,
          traces: false,
          metrics: false,
          logs: true,
          metric_interval: 5_000,
          push_spans: 0,
        },
        prometheus: false,
        resource: { 'deployment.environment': 'test' },
      },
      process: { dumpable: true },
      log: { level: 'silent', format: 'text', audit: { path: '/var/log/audit.json' } },
    });
  });

  test.each([
    ['""', 'off'],
    ['"[::1]:1"', { kind: 'tcp', host: '::1', port: 1 }],
    ['unix:///run/admin.sock', { kind: 'unix', path: '/run/admin.sock' }],
  ])('takes the address %s for the admin API', (text, listen) => {
    expect(load(`admin: { listen: ${text} }`).configuration.admin.listen).toEqual(listen);
  });

  test('takes the address of the probes from the environment, over its file', () => {
    const { configuration, sources } = load('admin: { probes: "127.0.0.1:1" }', { env: { SPIFFE_SDS_PROBES: '0.0.0.0:8083' } });
    expect(configuration.admin.probes).toEqual({ kind: 'tcp', host: '0.0.0.0', port: 8083 });
    expect(sources.get('admin.probes')).toBe('environment SPIFFE_SDS_PROBES');
  });

  test('with an admin API that others reach is refused unless that is accepted', () => {
    expect(() => load('admin: { listen: "0.0.0.0:8082" }')).toThrow(
      /x\.yaml:1:10: admin\.listen: whoever reaches 0\.0\.0\.0.*remote: true/,
    );
  });

  test.each([
    ['telemetry: { otlp: { endpoint: "collector:4317" } }', 'write http://HOST:PORT, https://HOST:PORT or unix:///absolute/path'],
    ['telemetry: { otlp: { protocol: http/json } }', 'one of grpc, http/protobuf'],
    ['telemetry: { otlp: { push_spans: -1 } }', 'a whole number from 0'],
    ['log: { audit: stderr }', 'write stdout, otlp, the absolute path of a file, or "" for none'],
    ['admin: { hosts: ["a:1"] }', 'a host name without a port'],
  ])('%s is refused, saying what would do', (text, expected) => {
    expect(() => load(text)).toThrow(expected);
  });

  test('is printed without the values of headers, which can be tokens', () => {
    const printed = formatConfiguration(load('telemetry: { otlp: { headers: { authorization: Bearer abc } } }'));
    expect(printed).toMatch(/authorization: "?\[redacted\]"? # file/);
    expect(printed).not.toContain('abc');
  });

  test('takes a group by its gid', () => {
    expect(load('sds: { group: 1337 }').configuration.sds.group).toBe(1337);
  });

  test.each([
    ['limits: { connections: 0 }', 'a whole number from 1'],
    ['limits: { names_per_stream: 1.5 }', 'a whole number from 1'],
    ['limits: { streams_per_connection: many }', 'a whole number from 1'],
    ['limits: { request_bytes: 1MB }', 'write a whole number and a unit (B, KiB, MiB, GiB): 64KiB, 1MiB'],
    ['bundle_ack_timeout: 2', 'string'],
    ['bundle_ack_timeout: "2"', 'write whole numbers with units'],
  ])('with sds.%s is refused, saying what would do', (text, expected) => {
    expect(() => load(`sds: { ${text} }`)).toThrow(expected);
  });

  test.each([
    ['"*.test"', 'a list of patterns like "*.example.org"'],
    ['[""]', 'a pattern like "*.example.org"'],
    ['[1]', 'expected a string, found number 1: quote it'],
  ])('with names.on_demand: %s is refused, saying what would do', (text, expected) => {
    expect(() => load(`names: { on_demand: ${text} }`)).toThrow(expected);
  });

  test('cannot be changed', () => {
    const { log } = load('').configuration;
    expect(() => Object.assign(log, { level: 'trace' })).toThrow(TypeError);
  });
});

describe('of several values for one key', () => {
  const env = { SPIFFE_SDS_LISTEN: 'unix:///environment' };
  const file = 'log:\n  level: warn\nsds:\n  listen: unix:///file\n';

  test('a flag wins over the environment', () => {
    const { configuration, sources } = load(file, { flags: { listen: 'unix:///flag' }, env });
    expect([configuration.sds.listen.path, sources.get('sds.listen')]).toEqual(['/flag', 'flag --listen']);
  });

  test('the environment wins over the file', () => {
    const { configuration, sources } = load(file, { env });
    expect([configuration.sds.listen.path, sources.get('sds.listen')]).toEqual(['/environment', 'environment SPIFFE_SDS_LISTEN']);
  });

  test('the file wins over the default', () => {
    const { configuration, sources } = load(file, { env: { SPIFFE_SDS_LISTEN: '' } });
    expect([configuration.sds.listen.path, sources.get('sds.listen')]).toEqual(['/file', 'file /etc/x.yaml:4']);
  });

  test('the default is named as such', () => {
    expect(load(file).sources.get('sds.mode')).toBe('default');
  });

  test.each([
    ['workload_api.address', { workload_api: 'unix:///a' }, '--workload-api', { SPIFFE_ENDPOINT_SOCKET: 'unix:///a' }],
    ['sds.listen', { listen: 'unix:///a' }, '--listen', { SPIFFE_SDS_LISTEN: 'unix:///a' }],
    ['admin.listen', { admin: '[::1]:1' }, '--admin', { SPIFFE_SDS_ADMIN: '[::1]:1' }],
    ['log.level', { log_level: 'debug' }, '--log-level', { SPIFFE_SDS_LOG_LEVEL: 'debug' }],
    ['log.format', { log_format: 'text' }, '--log-format', { SPIFFE_SDS_LOG_FORMAT: 'text' }],
  ])('%s has a flag and a variable', (path, flags, flag, env) => {
    const sources = [load('', { flags }).sources.get(path), load('', { env }).sources.get(path)];
    expect(sources).toEqual([`flag ${flag}`, `environment ${Object.keys(env)[0]}`]);
  });
});

describe('the configuration file', () => {
  test('is the one that the environment names', () => {
    const read: string[] = [];
    const readFile = (path: string) => {
      read.push(path);
      return '';
    };
    loadConfiguration({ flags: {}, env: { SPIFFE_SDS_CONFIG: '/etc/env.yaml' }, readFile });
    expect(read).toEqual(['/etc/env.yaml']);
  });

  test('is named with what was loaded from it', () => {
    expect(load('').file).toBe('/etc/x.yaml');
  });

  test('that cannot be read is named, with who named it and why', () => {
    expect(() => loadConfiguration({ flags: { config: '/etc/x.yaml' }, env: {}, readFile: noFile })).toThrow(
      expect.objectContaining({
        code: 'config_unreadable',
        message: expect.stringContaining('"/etc/x.yaml" (flag --config): there is no file to read'),
      }),
    );
  });
});

describe('the effective configuration', () => {
  const text = `
workload_api:
  address: unix:///agent
sds: { group: envoy }
names: { preset: istio-federation, default_svid: "", on_demand: ["*.test"] }
secrets:
  - name: internal
    svid: { spiffe_id: spiffe://a.test/b }
  - { name: partners, validation: { trust_domains: ["spiffe://c.test"], match: [{ prefix: "spiffe://c.test/d/" }] } }
`;

  test('is printed with the source of each value', () => {
    const lines = formatConfiguration(load(text, { flags: { log_level: 'debug' } })).split('\n');
    expect(lines).toEqual(
      expect.arrayContaining([
        '  address: unix:///agent # file /etc/x.yaml:3',
        '  mode: "0660" # default',
        '  group: envoy # file /etc/x.yaml:4',
        '  default_svid: "" # file /etc/x.yaml:5',
        '  default_all_bundles: ROOTCA # preset istio-federation',
        '    - "*.test" # file /etc/x.yaml:5',
        '  - name: internal # file /etc/x.yaml:7',
        '      spiffe_id: spiffe://a.test/b # file /etc/x.yaml:8',
        '        - c.test # file /etc/x.yaml:9',
        '  level: debug # flag --log-level',
      ]),
    );
  });

  test('loads as the same configuration', () => {
    const loaded = load(text);
    expect(load(formatConfiguration(loaded)).configuration).toEqual(loaded.configuration);
  });
});
