/** The release alone: dist/ somewhere else, without the checkout around it. */
import { execFile } from 'node:child_process';
import { cp, mkdtempDisposable } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { expect, it } from 'vitest';
import { eventually } from '../../support/eventually.ts';
import { SdsClient } from '../../support/sds/sds-client.ts';
import { Child } from '../../support/sidecar/child.ts';
import { OtlpReceiver } from '../../support/telemetry/otlp-receiver.ts';

const ROOT = join(import.meta.dirname, '..', '..', '..');

it('serves, knows its peers, exports by OTLP and tells whether it is ready, with nothing but itself', async () => {
  await using stack = new AsyncDisposableStack();
  await promisify(execFile)('npm', ['run', '--silent', 'build'], { cwd: ROOT });
  const folder = stack.use(await mkdtempDisposable(join(tmpdir(), 'release-'))).path;
  await cp(join(ROOT, 'dist'), join(folder, 'dist'), { recursive: true });
  const main = join(folder, 'dist', 'main.js');
  const collector = stack.use(await OtlpReceiver.open({ protocol: 'grpc' }));
  const inherited = Object.entries(process.env).filter(([name]) => !/^(SPIFFE_|OTEL_|NODE_)/.test(name));
  const env = {
    ...Object.fromEntries(inherited),
    SPIFFE_SDS_LISTEN: `unix://${folder}/sds.sock`,
    OTEL_EXPORTER_OTLP_ENDPOINT: collector.endpoint,
    OTEL_EXPORTER_OTLP_PROTOCOL: 'grpc',
    OTEL_BSP_SCHEDULE_DELAY: '100',
  };
  const dev = stack.use(new Child(process.execPath, [main, 'dev', '--log-level', 'debug', '--log-format', 'json'], env));
  await dev.written(/"event":"admin_(listening|failed)"/);

  const client = stack.use(new SdsClient(join(folder, 'sds.sock')));
  await client.stream().request(['default']).accept();
  await dev.written(new RegExp(`"event":"stream_opened".*"peer":{"connection":1,"uid":${process.getuid?.()},`));
  await eventually('spans', async () => collector.received.some(({ signal }) => signal === 'traces') || undefined);
  const ready = stack.use(new Child(process.execPath, [main, 'status', '--ready'], env));
  expect(await ready.ended()).toBe(0);
  expect(await dev.stop()).toBe(0);

  const asText = stack.use(new Child(process.execPath, [main, 'dev', '--log-format', 'text'], env));
  await asText.written(/INFO: serving SDS on /);
  expect(await asText.stop()).toBe(0);
});
