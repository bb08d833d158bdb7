import { describe, expect, test } from 'vitest';
import { configurationSchema } from '../../../../src/config/schema/schema.ts';
import { type ExporterSettings, type OtlpSettings, otlpSettings } from '../../../../src/telemetry/otlp/otlp-settings.ts';
import { problemsOf } from '../../../support/sidecar/configuration.ts';

type Variables = Readonly<Record<string, string>>;

const ENDPOINT = { OTEL_EXPORTER_OTLP_ENDPOINT: 'http://collector:4318' };

function read(env: Variables, file: object = {}): { settings: OtlpSettings | undefined; problems: readonly string[] } {
  const problems: string[] = [];
  const { telemetry } = configurationSchema.parse({ telemetry: { otlp: file } });
  return { settings: otlpSettings(telemetry, env, (sentence) => problems.push(sentence)), problems };
}

/** Where there is no problem. */
function settingsOf(env: Variables, file?: object): OtlpSettings {
  const { settings, problems } = read(env, file);
  expect(problems).toEqual([]);
  if (settings === undefined) throw new Error('nothing is exported');
  return settings;
}

function signalsOf(env: Variables, file?: object): readonly string[] {
  return Object.keys(read(env, file).settings?.signals ?? {});
}

function traces(env: Variables, file?: object): ExporterSettings {
  return settingsOf(env, file).signals.traces as ExporterSettings;
}

describe('what is exported', () => {
  test('is nothing without an endpoint', () => {
    expect(read({ OTEL_TRACES_EXPORTER: 'otlp', OTEL_EXPORTER_OTLP_PROTOCOL: 'grpc' })).toEqual({
      settings: undefined,
      problems: [],
    });
  });

  test('is nothing where OTEL_SDK_DISABLED is true', () => {
    expect(signalsOf({ ...ENDPOINT, OTEL_SDK_DISABLED: 'TRUE' })).toEqual([]);
    expect(signalsOf({ ...ENDPOINT, OTEL_SDK_DISABLED: 'false' })).toEqual(['traces', 'metrics']);
  });

  test('is traces and metrics by default, whoever names the endpoint', () => {
    expect(signalsOf(ENDPOINT)).toEqual(['traces', 'metrics']);
    expect(signalsOf({}, { endpoint: 'http://collector:4318' })).toEqual(['traces', 'metrics']);
  });

  test('is what has an endpoint of its own', () => {
    expect(signalsOf({ OTEL_EXPORTER_OTLP_METRICS_ENDPOINT: 'http://collector:4318/v1/metrics' })).toEqual(['metrics']);
  });

  test('is what the file wants', () => {
    expect(signalsOf(ENDPOINT, { traces: false, logs: true })).toEqual(['metrics', 'logs']);
  });

  test('is what OTEL_*_EXPORTER says rather than the file', () => {
    const env = { ...ENDPOINT, OTEL_TRACES_EXPORTER: 'otlp', OTEL_METRICS_EXPORTER: 'none', OTEL_LOGS_EXPORTER: 'otlp' };
    expect(signalsOf(env, { traces: false })).toEqual(['traces', 'logs']);
  });

  test('reports an unknown exporter, and takes otlp from a list', () => {
    expect(read({ ...ENDPOINT, OTEL_TRACES_EXPORTER: 'console', OTEL_METRICS_EXPORTER: 'console, otlp' })).toMatchObject({
      settings: { signals: { metrics: {} } },
      problems: [/OTEL_TRACES_EXPORTER: console: there are only otlp and none/, /OTEL_METRICS_EXPORTER/].map((pattern) =>
        expect.stringMatching(pattern),
      ),
    });
  });

  test('counts an empty variable as unset', () => {
    const env = { OTEL_EXPORTER_OTLP_ENDPOINT: ' ', OTEL_EXPORTER_OTLP_TRACES_ENDPOINT: '', OTEL_TRACES_EXPORTER: '' };
    expect(traces(env, { endpoint: 'http://file:4318' }).endpoint).toBe('http://file:4318');
  });
});

describe('the endpoint', () => {
  test('of one signal wins over that of all, and that over the file', () => {
    const env = { ...ENDPOINT, OTEL_EXPORTER_OTLP_TRACES_ENDPOINT: 'http://traces:4318/v1/traces' };
    const { signals } = settingsOf(env, { endpoint: 'http://file:4318' });
    expect([signals.traces?.endpoint, signals.metrics?.endpoint]).toEqual(['http://traces:4318', 'http://collector:4318']);
  });

  test.each([
    ['http://collector:4318', 'http://collector:4318/v1/traces'],
    ['http://collector:4318/', 'http://collector:4318/v1/traces'],
    ['https://collector/otlp', 'https://collector/otlp/v1/traces'],
    ['https://collector/otlp?key=1', 'https://collector/otlp/v1/traces?key=1'],
  ])('of all signals gets the path of the signal: %s', (endpoint, url) => {
    expect(traces({ OTEL_EXPORTER_OTLP_ENDPOINT: endpoint }).url).toBe(url);
    expect(traces({}, { endpoint }).url).toBe(url);
  });

  test('of one signal is used as it is', () => {
    expect(traces({ OTEL_EXPORTER_OTLP_TRACES_ENDPOINT: 'http://collector/spans' }).url).toBe('http://collector/spans');
  });

  test.each([
    ['unix:///run/otel.sock', 'grpc'],
    ['unix:/run/otel.sock', 'grpc'],
    ['http://collector:4317', 'grpc'],
    ['https://[::1]:4317/', 'grpc'],
    ['collector:4317', 'grpc'],
    ['http://collector:4318', 'http/protobuf'],
    ['http://collector/:4317', 'http/protobuf'],
    ['https://collector', 'http/protobuf'],
  ])('%s speaks %s unless something else is said', (endpoint, protocol) => {
    expect(traces({ OTEL_EXPORTER_OTLP_ENDPOINT: endpoint }).protocol).toBe(protocol);
  });

  test('that is a Unix socket works with both protocols', () => {
    const env = { OTEL_EXPORTER_OTLP_ENDPOINT: 'unix:///run/otel.sock' };
    expect(traces(env)).toMatchObject({ protocol: 'grpc', url: 'unix:///run/otel.sock', tls: false });
    expect(traces(env, { protocol: 'http/protobuf' })).toMatchObject({
      url: 'http://localhost/v1/traces',
      socketPath: '/run/otel.sock',
      tls: false,
    });
  });

  test('says by its scheme whether to use TLS; without a scheme, for gRPC, OTEL_EXPORTER_OTLP_INSECURE says it', () => {
    const tlsOf = (endpoint: string, insecure = '') =>
      traces({ OTEL_EXPORTER_OTLP_ENDPOINT: endpoint, OTEL_EXPORTER_OTLP_INSECURE: insecure }).tls;
    expect([tlsOf('https://collector:4317', 'true'), tlsOf('http://collector:4317', 'false')]).toEqual([true, false]);
    expect([tlsOf('collector:4317'), tlsOf('collector:4317', 'true')]).toEqual([true, false]);
    expect([tlsOf('unix:///run/otel.sock'), tlsOf('unix:///run/otel.sock', 'false')]).toEqual([false, true]);
  });

  test.each(['collector', 'collector:4318', 'http://', 'ftp://collector', 'unix://run/otel.sock', 'http://a b'])(
    'that is invalid is reported once and turns off its signal only: %s',
    (endpoint) => {
      const { settings, problems } = read({ ...ENDPOINT, OTEL_EXPORTER_OTLP_TRACES_ENDPOINT: endpoint });
      expect(Object.keys(settings?.signals ?? {})).toEqual(['metrics']);
      expect(problems).toEqual([expect.stringMatching(/^traces are not exported: OTEL_EXPORTER_OTLP_TRACES_ENDPOINT: /)]);
    },
  );

  test('reports no password', () => {
    const { problems } = read({ OTEL_EXPORTER_OTLP_TRACES_ENDPOINT: 'ftp://user:hunter22@collector' });
    expect(problems).toEqual([expect.not.stringContaining('hunter22')]);
    expect(traces({ OTEL_EXPORTER_OTLP_ENDPOINT: 'http://user:hunter22@collector' }).endpoint).toBe('http://collector');
  });
});

describe('each option of an exporter', () => {
  const FILE = {
    protocol: 'grpc',
    headers: { 'x-from': 'file' },
    ca: '/file/ca',
    client_certificate: '/file/cert',
    client_key: '/file/key',
    timeout: '3s',
  };

  test('comes from the file', () => {
    expect(traces(ENDPOINT, FILE)).toEqual({
      protocol: 'grpc',
      endpoint: 'http://collector:4318',
      url: 'http://collector:4318',
      tls: false,
      ca: '/file/ca',
      clientCertificate: '/file/cert',
      clientKey: '/file/key',
      headers: { 'x-from': 'file' },
      timeout: 3000,
      compression: 'none',
    });
  });

  test.each([
    ['PROTOCOL', 'http/protobuf', { protocol: 'http/protobuf' }],
    ['HEADERS', 'x-from=env, authorization=Bearer%20a%3Db', { headers: { 'x-from': 'env', authorization: 'Bearer a=b' } }],
    ['TIMEOUT', '1500', { timeout: 1500 }],
    ['COMPRESSION', 'gzip', { compression: 'gzip' }],
    ['CERTIFICATE', '/env/ca', { ca: '/env/ca' }],
    ['CLIENT_CERTIFICATE', '/env/cert', { clientCertificate: '/env/cert' }],
    ['CLIENT_KEY', '/env/key', { clientKey: '/env/key' }],
  ])('comes rather from OTEL_EXPORTER_OTLP_%s, for all signals or for one', (option, value, expected) => {
    const all = settingsOf({ ...ENDPOINT, [`OTEL_EXPORTER_OTLP_${option}`]: value }, FILE);
    expect([all.signals.traces, all.signals.metrics]).toMatchObject([expected, expected]);
    const one = settingsOf({ ...ENDPOINT, [`OTEL_EXPORTER_OTLP_TRACES_${option}`]: value }, FILE);
    expect(one.signals.traces).toMatchObject(expected);
    expect(one.signals.metrics).not.toMatchObject(expected);
  });

  test('adds the headers of one signal to those of all', () => {
    const env = { OTEL_EXPORTER_OTLP_HEADERS: 'a=1,b=2', OTEL_EXPORTER_OTLP_TRACES_HEADERS: 'b=3' };
    expect(traces({ ...ENDPOINT, ...env }).headers).toEqual({ a: '1', b: '3' });
  });

  test('that is invalid is reported without its value, and ignored', () => {
    const env = {
      ...ENDPOINT,
      OTEL_TRACES_EXPORTER: 'none',
      OTEL_EXPORTER_OTLP_PROTOCOL: 'http/json',
      OTEL_EXPORTER_OTLP_TIMEOUT: 'soon',
      OTEL_EXPORTER_OTLP_COMPRESSION: 'lzma',
      OTEL_EXPORTER_OTLP_HEADERS: 'good=1,no-equals-sign-but-secret,bad=%E0%A4%A,line=a%0Ab',
    };
    const { settings, problems } = read(env);
    expect(settings?.signals.metrics).toMatchObject({ protocol: 'http/protobuf', timeout: 10_000, compression: 'none' });
    expect(settings?.signals.metrics?.headers).toEqual({ good: '1' });
    expect(problems).toEqual([
      'OTEL_EXPORTER_OTLP_PROTOCOL is ignored: it must be grpc or http/protobuf',
      expect.stringMatching(/^entry 2 of OTEL_EXPORTER_OTLP_HEADERS is ignored/),
      expect.stringMatching(/^entry 3 of OTEL_EXPORTER_OTLP_HEADERS is ignored/),
      'the OTLP header "line" is left out: write printable ASCII only',
      'OTEL_EXPORTER_OTLP_TIMEOUT is ignored: it must be a number above 0',
      'OTEL_EXPORTER_OTLP_COMPRESSION is ignored: it must be gzip or none',
    ]);
    expect(problems.join()).not.toContain('secret');
  });

  test('that is invalid is reported once, although every signal has it', () => {
    expect(read({ ...ENDPOINT, OTEL_EXPORTER_OTLP_TIMEOUT: '0' }).problems).toHaveLength(1);
  });
});

describe('queues and intervals', () => {
  test.each([{ timeout: '0s' }, { metric_interval: '0s' }, { metric_interval: '25d' }])(
    'are what a timer can wait for: %j is refused',
    (otlp) => {
      expect(problemsOf(JSON.stringify({ telemetry: { otlp } }))).toEqual([expect.stringContaining('cannot wait for')]);
    },
  );

  test('have the defaults of the standard', () => {
    expect(settingsOf(ENDPOINT)).toMatchObject({
      metricInterval: 60_000,
      metricTimeout: 30_000,
      spans: { scheduledDelayMillis: 5000, exportTimeoutMillis: 30_000, maxQueueSize: 2048, maxExportBatchSize: 512 },
      logRecords: { scheduledDelayMillis: 1000, exportTimeoutMillis: 30_000, maxQueueSize: 2048, maxExportBatchSize: 512 },
    });
  });

  test('follow the variables of the standard, those of the file after them', () => {
    const env = {
      ...ENDPOINT,
      OTEL_BSP_SCHEDULE_DELAY: '100',
      OTEL_BSP_EXPORT_TIMEOUT: '200',
      OTEL_BSP_MAX_QUEUE_SIZE: '30',
      OTEL_BLRP_MAX_EXPORT_BATCH_SIZE: '40',
    };
    expect(settingsOf(env, { metric_interval: '5s' })).toMatchObject({
      metricInterval: 5000,
      metricTimeout: 5000,
      spans: { scheduledDelayMillis: 100, exportTimeoutMillis: 200, maxQueueSize: 30, maxExportBatchSize: 30 },
      logRecords: { maxExportBatchSize: 40 },
    });
    expect(settingsOf({ ...env, OTEL_METRIC_EXPORT_INTERVAL: '700' }, { metric_interval: '5s' }).metricInterval).toBe(700);
  });
});

test('reports that metrics are cumulative when something else is asked for', () => {
  const { problems } = read({ ...ENDPOINT, OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE: 'delta' });
  expect(problems).toEqual([expect.stringMatching(/TEMPORALITY_PREFERENCE is ignored: "delta" is not supported/)]);
  expect(read({ ...ENDPOINT, OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE: 'Cumulative' }).problems).toEqual([]);
});
