/** One sidecar for processes of several users, as the kernel and a broker know them. */
import { chmod } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { DevBroker } from '../../../src/dev/dev-broker.ts';
import { DevDelegatedIdentity } from '../../../src/dev/dev-delegated-identity.ts';
import type { DevIdentity } from '../../../src/dev/workload-changes.ts';
import { mayChoosePids, PID_TAKEN } from '../../support/access/next-pid.ts';
import { type PeerClientOptions, PeerProcessClient } from '../../support/access/peer.ts';
import { eventually } from '../../support/eventually.ts';
import { Child } from '../../support/sidecar/child.ts';
import { type Running, startRunning } from '../../support/sidecar/sidecar.ts';

const FLOOD = join(import.meta.dirname, '..', '..', 'bench', 'node', 'flood.ts');

/** Only root can become somebody else. */
const isRoot = process.getuid?.() === 0;
if (!isRoot) console.warn('SKIPPED: test/integration/node/node.test.ts needs root, to be several users');

const OWN = { path: '/spiffe-sds' };
const WEB = { path: '/web', of: { uid: 4001 } };
const API = { path: '/api', of: { uid: 4002 } };
const NODE = 'mode: node\nbroker: { backend: BACKEND, address: "unix://FOLDER/broker.sock" }\nsds: { mode: "0666" }\n';
const SIDECAR = ['spiffe://example.org/spiffe-sds'];

type Backend = 'broker' | 'delegated_identity';
let backend: Backend;
let stack: AsyncDisposableStack;
let running: Running;
/** What answers: a broker, or an agent's admin socket. */
let broker: DevBroker | DevDelegatedIdentity;
let startBroker: () => Promise<DevBroker | DevDelegatedIdentity>;

const node = (more = '') => `${NODE.replace('BACKEND', backend)}${more}`;

async function start(more = '', identities: readonly DevIdentity[] = [OWN, WEB, API]): Promise<void> {
  running = stack.use(
    await startRunning({ identities }, node(more), undefined, async (workloadApi, folder) => {
      await chmod(folder, 0o755);
      startBroker = async () => {
        const asked = { address: `unix://${folder}/broker.sock`, workloadApi };
        return stack.use(
          backend === 'broker'
            ? await DevBroker.start({ ...asked, admits: SIDECAR })
            : await DevDelegatedIdentity.start({ ...asked, authorizedDelegates: SIDECAR }),
        );
      };
      broker = await startBroker();
    }),
  );
  await chmod(dirname(running.socket), 0o755);
  await running.event('svid_received');
}

beforeEach(() => {
  stack = new AsyncDisposableStack();
});
afterEach(() => stack.disposeAsync());

function peer(options: Partial<PeerClientOptions> & Pick<PeerClientOptions, 'uid'>): PeerProcessClient {
  return stack.use(new PeerProcessClient({ gid: options.uid, socket: running.socket, names: [], asks: 'delta', ...options }));
}

const subscriptions = (count: number) =>
  eventually(`${count} subscriptions`, async () => broker.subscriptions === count || undefined);
const idsOf = (workload: number | undefined) => [
  ...(running.observed.workloads.get(workload ?? -1)?.observed.identities.keys() ?? []),
];
const workloadOf = (uid: number) =>
  [...running.observed.workloads.values()].find(({ workload }) => workload.uid === uid)?.workload.number;

describe.runIf(isRoot).each<Backend>(['broker', 'delegated_identity'])('processes of a node (%s)', (asked) => {
  beforeEach(() => {
    backend = asked;
  });

  test('get each the secrets of its own workload, under the same names', async () => {
    await start();
    const web = peer({ uid: 4001, names: ['spiffe://example.org/web', 'spiffe://example.org/api'] });
    const api = peer({ uid: 4002, names: ['spiffe://example.org/web', 'spiffe://example.org/api'] });
    expect(await web.next()).toMatchObject({ got: ['spiffe://example.org/web'] });
    expect(await api.next()).toMatchObject({ got: ['spiffe://example.org/api'] });
    expect(idsOf(workloadOf(4001))).toEqual(['spiffe://example.org/web']);
    expect([...running.observed.identities.keys()]).toEqual(['spiffe://example.org/spiffe-sds']);
  });

  test('have nothing without an entry, and get their secrets when there is one', async () => {
    await start();
    const intruder = peer({ uid: 4003, names: ['default'] });
    await subscriptions(1);
    await running.workloadApi.setIdentities([OWN, WEB, API, { path: '/new', of: { uid: 4003 } }]);
    expect(await intruder.next()).toMatchObject({ got: ['default'] });
    expect(idsOf(workloadOf(4003))).toEqual(['spiffe://example.org/new']);
  });

  test('lose what they had when their entry is gone, and the others keep theirs', async () => {
    await start();
    const web = peer({ uid: 4001, names: ['default'] });
    const api = peer({ uid: 4002, names: ['default'] });
    await web.next();
    await api.next();
    await running.workloadApi.setIdentities([OWN, API]);
    expect(await web.next()).toMatchObject({ got: [], removed: ['default'] });
    expect(idsOf(workloadOf(4002))).toEqual(['spiffe://example.org/api']);
  });

  test('are forgotten when they end: their subscription too', async () => {
    await start();
    const web = peer({ uid: 4001, names: ['default'] });
    await web.next();
    expect(broker.subscriptions).toBe(1);
    await web[Symbol.asyncDispose]();
    expect(await running.event('workload_ended')).toMatchObject({ reason: 'its process has ended', workload: { uid: 4001 } });
    await subscriptions(0);
    expect(running.observed.workloads.size).toBe(0);
  });

  test('keep what they have while the broker is away, and get what is newer when it is back', async () => {
    await start();
    const web = peer({ uid: 4001, names: ['default'] });
    await web.next();
    await broker.close();
    const lost = await running.event('workload_api_lost');
    expect(lost).toMatchObject({ workload: { uid: 4001 } });
    expect(idsOf(workloadOf(4001))).toEqual(['spiffe://example.org/web']);
    await running.workloadApi.rotate();
    await startBroker();
    expect(await web.next()).toMatchObject({ got: ['default'] });
  });

  test('share nothing also when many of them come and go', async () => {
    await start();
    const ROUNDS = 3;
    for (let round = 0; round < ROUNDS; round++) {
      const storm = [4001, 4002, 4001, 4002].map((uid) => ({
        uid,
        client: peer({ uid, names: ['spiffe://example.org/web', 'spiffe://example.org/api'] }),
      }));
      for (const { uid, client } of storm) {
        expect(await client.next()).toMatchObject({
          got: [uid === 4001 ? WEB : API].map(({ path }) => `spiffe://example.org${path}`),
        });
      }
      await Promise.all(storm.map(({ client }) => client[Symbol.asyncDispose]()));
    }
    await eventually('an empty node', async () => running.observed.workloads.size === 0 || undefined);
  });

  test('get each rotation also while another one asks as fast as it is answered', async () => {
    await start('', [OWN, WEB, { path: '/flood', of: { uid: 0 } }]);
    const web = peer({ uid: 4001, names: ['default'] });
    await web.next();
    const flood = stack.use(new Child(process.execPath, [FLOOD, running.socket]));
    await flood.written(/answered/);
    const pushedTo = (uid: number) =>
      running.events.filter((event) => event.type === 'secrets_pushed' && event.workload?.uid === uid).length;
    for (let rotation = 0; rotation < 5; rotation++) {
      const before = pushedTo(0);
      await running.workloadApi.rotate();
      expect(await web.next()).toMatchObject({ got: ['default'] });
      await eventually('more answers to the flood', async () => pushedTo(0) > before || undefined);
    }
  });

  test.skipIf(!mayChoosePids())('that have the pid of one that was killed get nothing of it', async () => {
    await start();
    const names = ['spiffe://example.org/web', 'spiffe://example.org/api'];
    // Somebody else may get the pid first, and keep it: then it is tried with another.
    const { pid, api, line } = await eventually('a process with the same pid', async () => {
      const web = peer({ uid: 4001, names });
      await web.next();
      await web[Symbol.asyncDispose]();
      const api = peer({ uid: 4002, names, pid: web.pid });
      const line = await api.next();
      return line.ended === PID_TAKEN ? undefined : { pid: web.pid, api, line };
    });
    expect(line).toMatchObject({ got: ['spiffe://example.org/api'] });
    expect([...running.observed.workloads.values()].map(({ workload }) => workload)).toContainEqual(
      expect.objectContaining({ uid: 4002, pid }),
    );
    await running.workloadApi.rotate();
    expect(await api.next()).toMatchObject({ got: ['spiffe://example.org/api'] });
    expect(idsOf(workloadOf(4002))).toEqual(['spiffe://example.org/api']);
  });

  test('beyond the limit of their user are refused', async () => {
    await start('');
    running.configure(node().replace('}', ', limits: { workloads_per_uid: 1 } }'));
    const first = peer({ uid: 4001, names: ['default'] });
    await first.next();
    const second = peer({ uid: 4001, names: ['default'] });
    expect(await second.next()).toMatchObject({ ended: expect.stringContaining('broker.limits.workloads_per_uid') });
    expect(await running.event('workload_refused')).toMatchObject({ reason: 'workloads', peer: { credentials: { uid: 4001 } } });
    const other = peer({ uid: 4002, names: ['default'] });
    expect(await other.next()).toMatchObject({ got: ['default'] });
  });
});
