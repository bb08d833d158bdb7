/** Rules on who gets what are nothing without somebody to ask who a peer is. */
import { mkdtempDisposable, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, expect, test, vi } from 'vitest';
import { rehearseStart } from '../../../src/sidecar/rehearsal.ts';
import { SdsClient } from '../../support/sds/sds-client.ts';
import { ask } from '../../support/sidecar/admin.ts';
import { Child } from '../../support/sidecar/child.ts';
import { loadText } from '../../support/sidecar/configuration.ts';
import { startRunning } from '../../support/sidecar/sidecar.ts';
import { TestWorkloadApi } from '../../support/workload-api/test-workload-api.ts';

const MAIN = join(import.meta.dirname, '..', '..', '..', 'src', 'cli', 'main.ts');
const ON_PLAN9 = join(import.meta.dirname, '..', '..', 'support', 'sidecar', 'on-plan9.ts');

// A whole process, on a machine that may be busy.
vi.setConfig({ testTimeout: 30_000 });

const platform = Object.getOwnPropertyDescriptor(process, 'platform') as PropertyDescriptor;
afterEach(() => void Object.defineProperty(process, 'platform', platform));

test('a sidecar with sds.allow does not start where the kernel cannot be asked who a peer is', async () => {
  Object.defineProperty(process, 'platform', { ...platform, value: 'plan9' });
  await expect(startRunning({}, 'sds: { allow: [{ uid: [0] }] }')).rejects.toMatchObject({
    code: 'credentials_unavailable',
    message: expect.stringMatching(/remove sds\.allow, or mend this: there is no SO_PEERCRED on plan9$/),
  });
});

test('check refuses it, too', async () => {
  Object.defineProperty(process, 'platform', { ...platform, value: 'plan9' });
  const { configuration } = loadText('sds: { allow: [{ uid: [0] }] }', { flags: { workload_api: 'unix:///agent.sock' } });
  await expect(rehearseStart(configuration)).rejects.toMatchObject({ code: 'credentials_unavailable' });
});

test('without rules it starts there', async () => {
  Object.defineProperty(process, 'platform', { ...platform, value: 'plan9' });
  await using running = await startRunning();
  await running.event('svid_received');
});

test('a reload that adds rules there is refused and told, and what was in force stays', async () => {
  await using stack = new AsyncDisposableStack();
  const folder = stack.use(await mkdtempDisposable(join(tmpdir(), 'plan9-'))).path;
  const api = stack.use(await TestWorkloadApi.start({ address: `unix://${folder}/workload.sock`, rotateEveryMs: 0 }));
  const file = join(folder, 'spiffe-sds.yaml');
  const admin = join(folder, 'admin.sock');
  const configuration = `workload_api: { address: "${api.address}" }
admin: { listen: "unix://${admin}" }
`;
  await writeFile(file, `${configuration}sds: { listen: "unix://${folder}/sds.sock" }\n`);
  const inherited = Object.entries(process.env).filter(([name]) => !/^(SPIFFE_|OTEL_)/.test(name));
  const args = ['--disable-sigusr1', ON_PLAN9, MAIN, 'serve', '--config', file];
  const child = stack.use(new Child(process.execPath, args, Object.fromEntries(inherited)));
  await child.written(/"event":"peer_credentials_unavailable"/);
  await child.written(/"event":"admin_listening"/);
  const client = stack.use(new SdsClient(join(folder, 'sds.sock')));
  const open = client.stream().request(['default']);
  await open.accept();

  const denying = 'allow: [{ uid: [4242] }], limits: { names_per_stream: 7 }';
  await writeFile(file, `${configuration}sds: { listen: "unix://${folder}/sds.sock", ${denying} }\n`);
  process.kill(child.pid, 'SIGHUP');

  await child.written(
    /"event":"configuration_rejected".*sds\.allow says who may have which secret, but the kernel cannot be asked/,
  );
  await api.rotate();
  await open.accept();
  await client.stream().request(['default']).accept();
  const status = JSON.stringify(await ask({ socketPath: admin }, '/v1/status'));
  expect(status).not.toContain('4242');
  expect(child.log).not.toContain('"event":"configuration_reloaded"');
  expect(await child.stop()).toBe(0);
});
