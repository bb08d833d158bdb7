/** The profile `node` of deploy/compose: one spiffe-sds, and two Envoys of two users on its socket. */
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { describeWithContainers } from '../../support/containers/describe.ts';
import { ContainerEngine, ROOT } from '../../support/containers/engine.ts';
import { buildImages } from '../../support/containers/stand-ins.ts';
import { eventually } from '../../support/eventually.ts';
import { freePort } from '../../support/free-port.ts';

const FOLDER = join(ROOT, 'deploy', 'compose');
const LIMIT_MS = 300_000;

interface Peer {
  readonly id: string;
  readonly rotations: number;
}

/** As the status has it. */
interface Workload {
  readonly uid: number;
  readonly identities: readonly { readonly id: string }[];
}

/** What the page shows. */
interface State {
  readonly failed: number;
  readonly frontend?: Peer;
  readonly backend?: Peer;
  readonly intruder?: { readonly attempts: readonly { readonly refused: number }[] };
}

describeWithContainers()('docker compose --profile node up node-frontend node-intruder', () => {
  let engine: ContainerEngine;
  let env: { readonly NODE_DEMO_PORT: string; readonly SVID_TTL: string };
  const compose = (...args: readonly string[]) => engine.compose(FOLDER, ['--profile', 'node', ...args], env);
  const asked = async (path: string) => (await fetch(`http://127.0.0.1:${env.NODE_DEMO_PORT}/${path}`)).text();

  beforeAll(async () => {
    engine = await ContainerEngine.open();
    await buildImages(engine);
    env = { NODE_DEMO_PORT: String(await freePort()), SVID_TTL: '10s' };
    // What a run before this one may have left when it was killed.
    await compose('down', '--volumes');
    await compose('up', '--detach', '--pull=never', 'node-frontend', 'node-intruder');
  }, LIMIT_MS);
  afterAll(() => compose('down', '--volumes'), LIMIT_MS);

  /** Waits until the page shows it. */
  const shown = <T>(what: string, probe: (state: State) => T | undefined): Promise<T> =>
    eventually(what, async () => probe(JSON.parse(await asked('state')) as State));

  it('gives each Envoy the identity of its own user, and rotates both without a lost request', async () => {
    const { failed, frontend, backend } = await shown('a rotation of both', (state) =>
      [state.frontend, state.backend].every((peer) => (peer?.rotations ?? 0) > 0) ? state : undefined,
    );
    expect([frontend?.id, backend?.id, failed]).toEqual(['spiffe://example.org/frontend', 'spiffe://example.org/backend', 0]);
  });

  it('refuses the intruder, also at the socket that it shares with the Envoys', async () => {
    const attempts = await shown('three refusals', ({ intruder }) =>
      intruder?.attempts.every(({ refused }) => refused > 0) ? intruder.attempts : undefined,
    );
    expect(attempts).toMatchObject([
      { how: 'without a certificate', letIn: 0 },
      { how: 'with a forged certificate', letIn: 0 },
      {
        how: "with the frontend's certificate from the SDS socket",
        letIn: 0,
        reason: expect.stringContaining('sent no secret named spiffe://example.org/frontend'),
      },
    ]);
  });

  it('says in its status which user has what', async () => {
    const { workloads } = JSON.parse(await asked('sidecars/backend/v1/status')) as { workloads: readonly Workload[] };
    const idsOf = (uid: number) =>
      workloads.filter((one) => one.uid === uid).flatMap(({ identities }) => identities.map(({ id }) => id));
    expect(idsOf(4001)).toEqual(['spiffe://example.org/backend']);
    expect(idsOf(4002)).toEqual(['spiffe://example.org/frontend']);
    expect(idsOf(4003)).toEqual([]);
  });

  it(
    'starts nothing of the other demo, and down leaves no container, volume or network',
    async () => {
      const { containers } = await engine.remains();
      expect(containers.map((name) => name.replace(/^spiffe-sds-demo_(.*)_1$/, '$1')).sort()).toEqual([
        'node-backend',
        'node-backend-envoy',
        'node-frontend',
        'node-frontend-envoy',
        'node-intruder',
        'node-spiffe-sds',
      ]);
      await compose('down', '--volumes');
      expect(await engine.remains()).toEqual({ containers: [], volumes: [], networks: [] });
    },
    LIMIT_MS,
  );
});
