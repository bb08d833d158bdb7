/** The profile `spire` of deploy/compose: its wiring, with stand-ins for SPIRE's images. */
import { existsSync } from 'node:fs';
import { mkdtempDisposable, readFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { parse } from 'yaml';
import { describeWithContainers } from '../../support/containers/describe.ts';
import { ContainerEngine, ROOT } from '../../support/containers/engine.ts';
import { buildSpireStandIns } from '../../support/containers/spire-stand-in.ts';
import { buildImages } from '../../support/containers/stand-ins.ts';
import { eventually } from '../../support/eventually.ts';
import { freePort } from '../../support/free-port.ts';

const FOLDER = join(ROOT, 'deploy', 'compose');
const LIMIT_MS = 300_000;

describeWithContainers()('docker compose --profile spire up', () => {
  const stack = new AsyncDisposableStack();
  let engine: ContainerEngine;
  let env: NodeJS.ProcessEnv;
  let images: Readonly<Record<'server' | 'agent' | 'bootstrap', string>>;
  const compose = (...args: readonly string[]) => engine.compose(FOLDER, ['--profile', 'spire', ...args], env);
  const log = async (service: string) => (await engine.tried('logs', `spiffe-sds-demo_${service}_1`)).stdout;

  beforeAll(async () => {
    engine = await ContainerEngine.open();
    const folder = stack.use(await mkdtempDisposable(join(tmpdir(), 'compose-spire-')));
    // As `systemctl start podman.socket` would have it.
    const socket = join(folder.path, 'podman.sock');
    stack.use(engine.attached('system', 'service', '--time=0', `unix://${socket}`));
    await eventually("podman's socket", async () => existsSync(socket) || undefined);
    env = { DEMO_PORT: String(await freePort()), DOCKER_SOCKET: socket };
    const { services } = parse(await readFile(join(FOLDER, 'compose.yaml'), 'utf8'), { merge: true });
    const image = (part: string): string => services[`spire-${part}`].image;
    images = { server: image('server'), agent: image('agent'), bootstrap: `localhost/${image('bootstrap')}` };
    await buildImages(engine);
    await buildSpireStandIns(engine, images);
    await compose('down', '--volumes');
    await compose('up', '--detach', '--pull=never');
  }, LIMIT_MS);
  afterAll(async () => {
    await compose('down', '--volumes');
    // They are not what their names say.
    await engine.tried('rmi', '--force', ...Object.values(images));
    await stack.disposeAsync();
  }, LIMIT_MS);

  it('brings the same services up on the identities of the other Workload API', async () => {
    const ids = await eventually('both peers', async () => {
      const response = await fetch(`http://127.0.0.1:${env['DEMO_PORT']}/state`);
      const { frontend, backend } = (await response.json()) as Record<string, { readonly id: string } | undefined>;
      return frontend && backend && [frontend.id, backend.id];
    });
    expect(ids).toEqual(['spiffe://example.org/frontend', 'spiffe://example.org/backend']);
  });

  it('starts the agent again that came too early and ended', async () => {
    const restarts = await engine.podman('inspect', '--format', '{{ .RestartCount }}', 'spiffe-sds-demo_spire-agent_1');
    expect(restarts).toBe('1');
  });

  it('attests each sidecar by the label of its container, as the engine tells it', async () => {
    const attested = await eventually('an attestation', async () => /attested .*/.exec(await log('spire-agent'))?.[0]);
    expect(attested).toMatch(/"(backend|frontend)"/);
  });

  it('leaves the development Workload API without work', async () => {
    expect(await log('workload-api')).toContain('this one has nothing to do');
  });

  it('registers each service once, however often the bootstrap runs', async () => {
    await engine.podman('start', '--attach', 'spiffe-sds-demo_spire-bootstrap_1');
    const entries = await engine.podman('exec', 'spiffe-sds-demo_spire-server_1', 'cat', '/run/spire/server/private/entries');
    expect(entries.split('\n')).toEqual(['spiffe://example.org/backend', 'spiffe://example.org/frontend']);
    expect(await log('spire-bootstrap')).toContain('spiffe://example.org/backend is registered already');
  });

  it(
    'down leaves no container, volume or network',
    async () => {
      await compose('down', '--volumes');
      expect(await engine.remains()).toEqual({ containers: [], volumes: [], networks: [] });
    },
    LIMIT_MS,
  );
});
