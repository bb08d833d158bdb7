/** The release alone: dist/ somewhere else, without the checkout around it. */
import { execFile } from 'node:child_process';
import { cp, mkdtempDisposable, readFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { promisify } from 'node:util';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { eventually } from '../../support/eventually.ts';
import { SdsClient } from '../../support/sds/sds-client.ts';
import { Child } from '../../support/sidecar/child.ts';
import { OtlpReceiver } from '../../support/telemetry/otlp-receiver.ts';

const ROOT = join(import.meta.dirname, '..', '..', '..');
const PROBE = join(ROOT, 'test', 'support', 'sidecar', 'module-probe.ts');
/** What the release loads of Node. A module that opens another way out of the process must not come in with a dependency unseen. */
const OF_NODE = new Set(
  [
    ...[
      'assert',
      'async_hooks',
      'buffer',
      'crypto',
      'diagnostics_channel',
      'events',
      'fs',
      'fs/promises',
      'module',
      'os',
      'path',
      'process',
    ],
    ...['stream', 'timers/promises', 'tty', 'url', 'util', 'v8', 'vm', 'zlib'],
    ...['dns', 'http', 'http2', 'https', 'net', 'tls'],
    // OpenTelemetry's detectors ask programs for the machine's id, which we do not have them do; pino has workers, which we do not start; main.js asks whether there is an inspector.
    ...['child_process', 'worker_threads', 'inspector'],
  ].map((name) => `node:${name}`),
);

let stack: AsyncDisposableStack;
let folder: string;
let main: string;

beforeAll(async () => {
  stack = new AsyncDisposableStack();
  await promisify(execFile)('npm', ['run', '--silent', 'build'], { cwd: ROOT });
  folder = stack.use(await mkdtempDisposable(join(tmpdir(), 'release-'))).path;
  await cp(join(ROOT, 'dist'), join(folder, 'dist'), { recursive: true });
  main = join(folder, 'dist', 'main.js');
});
afterAll(() => stack.disposeAsync());

async function environment(
  parts: AsyncDisposableStack,
): Promise<{ readonly collector: OtlpReceiver; readonly env: NodeJS.ProcessEnv }> {
  const collector = parts.use(await OtlpReceiver.open({ protocol: 'grpc' }));
  const inherited = Object.entries(process.env).filter(([name]) => !/^(SPIFFE_|OTEL_|NODE_)/.test(name));
  const env = {
    ...Object.fromEntries(inherited),
    SPIFFE_SDS_LISTEN: `unix://${folder}/sds.sock`,
    OTEL_EXPORTER_OTLP_ENDPOINT: collector.endpoint,
    OTEL_EXPORTER_OTLP_PROTOCOL: 'grpc',
    OTEL_BSP_SCHEDULE_DELAY: '100',
  };
  return { collector, env };
}

it('serves, knows its peers, exports by OTLP and tells whether it is ready, with nothing but itself', async () => {
  await using parts = new AsyncDisposableStack();
  const { collector, env } = await environment(parts);
  const dev = parts.use(new Child(process.execPath, [main, 'dev', '--log-level', 'debug', '--log-format', 'json'], env));
  await dev.written(/"event":"admin_(listening|failed)"/);

  const client = parts.use(new SdsClient(join(folder, 'sds.sock')));
  await client.stream().request(['default']).accept();
  await dev.written(new RegExp(`"event":"stream_opened".*"peer":{"connection":1,"uid":${process.getuid?.()},`));
  await eventually('spans', async () => collector.received.some(({ signal }) => signal === 'traces') || undefined);
  const ready = parts.use(new Child(process.execPath, [main, 'status', '--ready'], env));
  expect(await ready.ended()).toBe(0);
  expect(await dev.stop()).toBe(0);

  const asText = parts.use(new Child(process.execPath, [main, 'dev', '--log-format', 'text'], env));
  await asText.written(/INFO: serving SDS on /);
  expect(await asText.stop()).toBe(0);
});

it('loads its own files, and of Node what is on a list', async () => {
  await using parts = new AsyncDisposableStack();
  const { collector, env } = await environment(parts);
  const list = join(folder, 'loaded');
  const dev = parts.use(new Child(process.execPath, [PROBE, list, main, 'dev', '--log-format', 'json'], env));
  await dev.written(/"event":"admin_(listening|failed)"/);
  const client = parts.use(new SdsClient(join(folder, 'sds.sock')));
  await client.stream().request(['default']).accept();
  await eventually('spans', async () => collector.received.some(({ signal }) => signal === 'traces') || undefined);
  expect(await dev.stop()).toBe(0);
  const loaded = (await readFile(list, 'utf8')).split('\n');
  const own = loaded.filter((url) => url.startsWith(`${pathToFileURL(join(folder, 'dist'))}/`));
  expect(own.some((url) => url.endsWith('.node'))).toBe(true);
  expect(loaded.filter((url) => !own.includes(url) && !OF_NODE.has(url))).toEqual([]);
});
