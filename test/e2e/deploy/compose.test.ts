/** deploy/compose as a reader brings it up, by podman-compose. */
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { describeWithContainers } from '../../support/containers/describe.ts';
import { ContainerEngine, ROOT } from '../../support/containers/engine.ts';
import { buildImages } from '../../support/containers/stand-ins.ts';
import { eventually } from '../../support/eventually.ts';
import { freePort } from '../../support/free-port.ts';

const FOLDER = join(ROOT, 'deploy', 'compose');
const LIMIT_MS = 300_000;

/** What the page shows. */
interface State {
  readonly answered: number;
  readonly failed: number;
  readonly lastFailure: string;
  readonly frontend?: Peer;
  readonly backend?: Peer;
  readonly intruder?: { readonly attempts: readonly Attempt[] };
}

interface Peer {
  readonly id: string;
  readonly serial: string;
  readonly rotations: number;
}

interface Attempt {
  readonly how: string;
  readonly refused: number;
  readonly letIn: number;
  readonly reason: string;
}

describeWithContainers()('docker compose up', () => {
  let engine: ContainerEngine;
  let env: { readonly DEMO_PORT: string; readonly SVID_TTL: string };
  let containers: readonly Container[];
  beforeAll(async () => {
    engine = await ContainerEngine.open();
    await buildImages(engine);
    env = { DEMO_PORT: String(await freePort()), SVID_TTL: '10s' };
    // What a run before this one may have left when it was killed.
    await engine.compose(FOLDER, ['down', '--volumes'], env);
    await engine.compose(FOLDER, ['up', '--detach', '--pull=never'], env);
    containers = await inspect(engine);
  }, LIMIT_MS);
  afterAll(() => engine.compose(FOLDER, ['down', '--volumes'], env), LIMIT_MS);

  /** Waits until the page shows it. */
  const shown = <T>(what: string, probe: (state: State) => T | undefined): Promise<T> =>
    eventually(what, async () => {
      const response = await fetch(`http://127.0.0.1:${env.DEMO_PORT}/state`);
      return probe((await response.json()) as State);
    });

  it('shows each peer as the other one saw it', async () => {
    const ids = await shown('both peers', ({ frontend, backend }) => frontend && backend && [frontend.id, backend.id]);
    expect(ids).toEqual(['spiffe://example.org/frontend', 'spiffe://example.org/backend']);
  });

  it('rotates both identities and loses no request', async () => {
    const state = await shown('a rotation of both', (seen) =>
      [seen.frontend, seen.backend].every((peer) => (peer?.rotations ?? 0) > 0) ? seen : undefined,
    );
    expect(state).toMatchObject({ failed: 0 });
  });

  it('has sidecars that are healthy', async () => {
    for (const { Name } of containers.filter(({ Name: name }) => name.includes('sidecar')))
      expect((await engine.tried('healthcheck', 'run', Name)).code, Name).toBe(0);
  });

  it('refuses the intruder, with a forged certificate as without one', async () => {
    const attempts = await shown('two refusals', ({ intruder }) =>
      intruder?.attempts.every(({ refused }) => refused > 0) ? intruder.attempts : undefined,
    );
    expect(attempts).toMatchObject([
      { how: 'without a certificate', letIn: 0, reason: expect.stringContaining('certificate required') },
      { how: 'with a forged certificate', letIn: 0, reason: expect.stringContaining('certificate unknown') },
    ]);
  });

  it('runs nothing as root, with a capability, or with a file system to write on', () => {
    expect(containers).toHaveLength(8);
    for (const { Name, Config, HostConfig, EffectiveCaps } of containers) {
      expect(Config.User, Name).toMatch(/^(65532|101):\d+$/);
      expect(HostConfig.ReadonlyRootfs, Name).toBe(true);
      expect(EffectiveCaps ?? [], Name).toEqual([]);
    }
  });

  it('gives the sidecars no network', () => {
    const sidecars = containers.filter(({ Name }) => Name.includes('sidecar'));
    expect(sidecars.map(({ HostConfig }) => HostConfig.NetworkMode)).toEqual(['none', 'none']);
  });

  it(
    'down leaves no container, volume, network or process',
    async () => {
      await engine.compose(FOLDER, ['down', '--volumes'], env);
      expect(await engine.remains()).toEqual({ containers: [], volumes: [], networks: [] });
      expect(containers.map(({ State: { Pid } }) => Pid).filter(isAlive)).toEqual([]);
    },
    LIMIT_MS,
  );
});

interface Container {
  readonly Name: string;
  readonly State: { readonly Pid: number };
  readonly Config: { readonly User: string };
  readonly HostConfig: { readonly ReadonlyRootfs: boolean; readonly NetworkMode: string };
  readonly EffectiveCaps: readonly string[] | null;
}

async function inspect(engine: ContainerEngine): Promise<readonly Container[]> {
  const { containers } = await engine.remains();
  return JSON.parse(await engine.podman('container', 'inspect', ...containers)) as Container[];
}

function isAlive(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch {
    return false;
  }
}
