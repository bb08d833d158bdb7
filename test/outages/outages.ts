/** What is taken away from two Envoys, in sidecar mode and in node mode. Times are those of `npm run outages`; a test takes shorter ones. */
import { setTimeout as delay } from 'node:timers/promises';
import { messageOf } from '../../src/error.ts';
import { eventually } from '../support/eventually.ts';
import { OtlpReceiver } from '../support/telemetry/otlp-receiver.ts';
import { duration, type Measured, type Outage } from './outage.ts';
import { Scene, type SceneOptions } from './scene.ts';

const BEYOND_MS = 3_000;

/** While it is away, every SVID is rotated; the Envoys have to catch up. */
function away(
  name: string,
  ms: number,
  take: (scene: Scene) => Promise<() => Promise<void>>,
  options: SceneOptions = {},
): Outage {
  return {
    name: ms === 0 ? name : `${name} for ${duration(ms)}`,
    mode: options.mode ?? 'sidecar',
    loses: false,
    async run() {
      await using scene = await Scene.open(options);
      const give = await take(scene);
      await scene.api.rotate();
      await delay(ms);
      const returned = performance.now();
      await give();
      await scene.caughtUp();
      const caughtUpMs = performance.now() - returned;
      return { ...(await scene.sum()), caughtUpMs };
    },
  };
}

/** Until after the end of the SVIDs that the Envoys have. */
function beyondTheEnd(name: string, svidTtlMs: number, take: (scene: Scene) => Promise<() => Promise<void>>): Outage {
  return {
    name: `${name} until ${duration(BEYOND_MS)} after the end of the SVID`,
    mode: 'sidecar',
    loses: true,
    async run() {
      await using scene = await Scene.open({ svidTtlMs });
      await scene.api.rotate();
      await scene.caughtUp();
      const end = scene.api.svidsEnd;
      const give = await take(scene);
      await delay(end - Date.now());
      const lostBefore = scene.lost;
      await eventually('a lost request', async () => (scene.lost > lostBefore ? true : undefined));
      const firstLost = Date.now() - end;
      await delay(BEYOND_MS - firstLost);
      await scene.api.rotate();
      const returned = performance.now();
      await give();
      await scene.answered();
      const answeredMs = performance.now() - returned;
      await scene.caughtUp();
      const caughtUpMs = performance.now() - returned;
      const more = `${lostBefore} lost before the end, the first ${duration(firstLost)} after it; answers again ${duration(answeredMs)} after the return`;
      return { ...(await scene.sum()), caughtUpMs, more };
    },
  };
}

/** @param ms how long there is no spiffe-sds after the Envoy has started */
function restartedAlone(name: string, ms: number, options: SceneOptions = {}): Outage {
  return {
    name: `${name}, and spiffe-sds is away for ${duration(ms)} more`,
    mode: options.mode ?? 'sidecar',
    loses: true,
    async run() {
      await using scene = await Scene.open(options);
      const port = await scene.server.port('mtls');
      await scene.life.kill();
      await scene.server.stop();
      await scene.startServer(port);
      await delay(ms);
      const state = await scene.server.state();
      const returned = performance.now();
      await scene.begin();
      await scene.answered();
      const answeredMs = performance.now() - returned;
      const caughtUpMs = answeredMs + (await scene.caughtUp());
      return {
        ...(await scene.sum()),
        caughtUpMs,
        more: `the Envoy was ${state} at the end of that; answers ${duration(answeredMs)} after the start of spiffe-sds`,
      };
    },
  };
}

/** Nothing is there at first, as after the start of a machine; the agent comes last. */
function allAtOnce(mode: Outage['mode'], agentMs: number): Outage {
  return {
    name: `the machine starts anew, SPIRE's agent ${duration(agentMs)} after the others`,
    mode,
    loses: false,
    async run() {
      await using scene = await Scene.prepare({ mode });
      const give = await withoutAgent(scene);
      const since = performance.now();
      const envoys = scene.startServer().then(() => scene.startClient());
      await scene.begin();
      const listensMs = performance.now() - since;
      await delay(agentMs - listensMs);
      const agent = performance.now();
      await give();
      await envoys;
      await scene.answered();
      const more = `spiffe-sds listens after ${duration(listensMs)}; first answer ${duration(performance.now() - agent)} after the agent's start`;
      return { requests: 1, lost: 0, more };
    },
  };
}

function secondGeneration(ms: number): Outage {
  return {
    name: `a second spiffe-sds starts on the same path, and the first ends ${duration(ms)} later`,
    mode: 'sidecar',
    loses: false,
    async run(): Promise<Measured> {
      await using scene = await Scene.open();
      const refusal = await scene.another().then(
        async (second) => {
          await second.kill();
          return 'it took the path';
        },
        (error: unknown) => (/another process/.test(messageOf(error)) ? 'the second is refused, and ends' : messageOf(error)),
      );
      await scene.api.rotate();
      const fromFirstMs = await scene.caughtUp();
      await delay(ms);
      await scene.life.stop();
      await scene.api.rotate();
      const returned = performance.now();
      await scene.begin();
      await scene.caughtUp();
      const caughtUpMs = performance.now() - returned;
      const more = `${refusal}; the first goes on (a rotation takes ${duration(fromFirstMs)})`;
      return { ...(await scene.sum()), caughtUpMs, more };
    },
  };
}

function collectorAway(): Outage {
  return {
    name: 'the OTLP collector hangs',
    mode: 'sidecar',
    loses: false,
    async run() {
      await using collector = await OtlpReceiver.open({ protocol: 'http/protobuf', answer: 'never' });
      const otlp = { endpoint: collector.endpoint, protocol: 'http/protobuf', logs: true };
      await using scene = await Scene.open({ configuration: { telemetry: { otlp } } });
      await scene.api.rotate();
      const caughtUpMs = await scene.caughtUp();
      return { ...(await scene.sum()), caughtUpMs };
    },
  };
}

const withoutWorkloadApi = (scene: Scene) => scene.failing.begin('no socket');

async function withoutAgent(scene: Scene): Promise<() => Promise<void>> {
  const give = await scene.failing.begin('no socket');
  await scene.stopBroker();
  return async () => {
    await give();
    if (scene.isNode) await scene.startBroker();
  };
}

async function silent({ api }: Scene): Promise<() => Promise<void>> {
  api.hold();
  return async () => api.release();
}

const stopped = async (scene: Scene) => {
  await scene.life.stop();
  return () => scene.begin();
};

const killed = async (scene: Scene) => {
  await scene.life.kill();
  return () => scene.begin();
};

const NODE = { mode: 'node' } as const;

export const OUTAGES: readonly Outage[] = [
  away("SPIRE's agent is away", 1_000, withoutWorkloadApi),
  away("SPIRE's agent is away", 30_000, withoutWorkloadApi),
  beyondTheEnd("SPIRE's agent is away", 20_000, withoutWorkloadApi),
  away("SPIRE's server is away: the agent brings nothing new,", 30_000, silent),
  beyondTheEnd("SPIRE's server is away: the agent brings nothing new", 20_000, silent),
  away('spiffe-sds is stopped (SIGTERM), and started again at once', 0, stopped),
  away('spiffe-sds is stopped (SIGTERM), and is away', 30_000, stopped),
  away('spiffe-sds is killed (SIGKILL, as for its memory), and started again at once', 0, killed),
  secondGeneration(2_000),
  restartedAlone('an Envoy starts anew', 5_000),
  restartedAlone('an Envoy starts anew', 20_000),
  collectorAway(),
  allAtOnce('sidecar', 5_000),
  away("SPIRE's agent, with its broker, is away", 30_000, withoutAgent, NODE),
  away('spiffe-sds is replaced (SIGTERM), and is away', 5_000, stopped, NODE),
  away('spiffe-sds is killed (SIGKILL, as for its memory), and started again at once', 0, killed, NODE),
  restartedAlone('an Envoy starts anew', 5_000, NODE),
  allAtOnce('node', 5_000),
];

/** Short enough for the test suite. */
export const SHORT_OUTAGES: readonly Outage[] = [
  beyondTheEnd("SPIRE's agent is away", 8_000, withoutWorkloadApi),
  secondGeneration(100),
  restartedAlone('an Envoy starts anew', 1_000),
  away('spiffe-sds is killed, and started again at once', 0, killed, NODE),
];
