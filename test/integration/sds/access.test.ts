/** Who gets which secret, with peers that are other users: the kernel says who they are. */
import { chmod } from 'node:fs/promises';
import { dirname } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { mayChoosePids, PID_TAKEN } from '../../support/access/next-pid.ts';
import { type PeerClientOptions, PeerProcessClient } from '../../support/access/peer.ts';
import { eventually } from '../../support/eventually.ts';
import { type Running, startRunning } from '../../support/sidecar/sidecar.ts';

/** Only root can become somebody else. */
const isRoot = process.getuid?.() === 0;
if (!isRoot) console.warn('SKIPPED: test/integration/sds/access.test.ts needs root, to be several users');

const SVID = 'spiffe://example.org/web';
const BUNDLE = 'spiffe://example.org';
const OPEN = 'names: { jwt_audiences: [payments] }\nsds:\n  mode: "0666"\n  allow:';
const ALLOW = `${OPEN}
    - { uid: [4001], names: ["default", "ROOTCA"] }
    - { uid: [4002], names: [] }
    - { gid: [4500], names: ["${BUNDLE}*"] }
    - { uid: [4004], node_id: ["edge-*"] }
`;

let stack: AsyncDisposableStack;
let running: Running;

async function start(yaml = ALLOW): Promise<void> {
  running = stack.use(await startRunning({ identities: [{ path: '/web' }] }, yaml));
  await chmod(dirname(running.socket), 0o755);
}

beforeEach(() => {
  stack = new AsyncDisposableStack();
});
afterEach(() => stack.disposeAsync());

function peer(options: Partial<PeerClientOptions> & Pick<PeerClientOptions, 'uid'>): PeerProcessClient {
  return stack.use(new PeerProcessClient({ gid: options.uid, socket: running.socket, ...options }));
}

describe.runIf(isRoot)('a peer gets', () => {
  test('what the rule for its user gives; the rest is held as if unknown', async () => {
    await start();
    const allowed = peer({ uid: 4001, names: ['default', SVID] });
    expect(await allowed.next()).toMatchObject({ got: ['default'] });
    expect(await running.event('names_held')).toMatchObject({
      names: [SVID],
      available: ['default', 'ROOTCA'],
      notGiven: { rule: 'sds.allow[0]', names: [SVID] },
    });
    expect([...running.sidecar.streams]).toMatchObject([{ rule: 'sds.allow[0]', peer: { credentials: { uid: 4001 } } }]);
  });

  test('by a request without names, only what its rule gives', async () => {
    await start();
    const wildcard = peer({ uid: 4003, gid: 4500 });
    const { got = [] } = await wildcard.next();
    expect([...got].sort()).toEqual([BUNDLE, SVID]);
    const narrow = peer({ uid: 4001 });
    await running.eventAfter(running.events.length, 'stream_subscribed');
    expect(await Promise.race([narrow.next(), running.workloadApi.rotate().then(() => 'nothing')])).toBe('nothing');
  });

  test('what its group gives, primary or supplementary', async () => {
    await start();
    for (const groups of [{ gid: 4500 }, { gid: 4003, groups: [1, 4500] }]) {
      await using member = peer({ uid: 4003, names: [SVID, 'default'], ...groups });
      expect(await member.next()).toMatchObject({ got: [SVID] });
    }
    await using other = peer({ uid: 4003, asks: 'bytes' });
    expect(await other.next()).toMatchObject({ bytes: 0 });
  });

  test('by FetchSecrets and as a token no more than on a stream', async () => {
    await start();
    expect(await peer({ uid: 4001, asks: 'fetch', names: ['default'] }).next()).toEqual({ fetched: 1 });
    expect(await peer({ uid: 4001, asks: 'fetch', names: [SVID] }).next()).toMatchObject({
      refused: `no secret named ${SVID}; there is no SVID and no bundle for this peer`,
    });
    expect(await peer({ uid: 4001, asks: 'fetch', names: ['jwt:payments'] }).next()).toMatchObject({ code: 5 });
    expect(await peer({ uid: 4004, asks: 'fetch', names: ['jwt:payments'], node: { id: 'edge-1' } }).next()).toEqual({
      fetched: 1,
    });
    expect(await peer({ uid: 4004, asks: 'fetch', names: ['default'], node: { id: 'core' } }).next()).toMatchObject({ code: 7 });
  });

  test('nothing at all when no rule is for it, or one gives it nothing: not one byte', async () => {
    await start();
    expect(await peer({ uid: 4002, asks: 'bytes' }).next()).toMatchObject({ bytes: 0 });
    expect(await peer({ uid: 4999, asks: 'bytes' }).next()).toMatchObject({ bytes: 0 });
    const denied = running.events.filter(({ type }) => type === 'access_denied');
    expect(denied).toMatchObject([
      { rule: 'sds.allow[1]', peer: { credentials: { uid: 4002 } } },
      { reason: 'no rule of sds.allow is for it', peer: { credentials: { uid: 4999 } } },
    ]);
    expect(running.events.map(({ type }) => type)).not.toContain('connection_opened');
  });

  test('what a rule for its node gives when it says that it is that node, else the end of its stream', async () => {
    await start();
    expect(await peer({ uid: 4004, names: ['default'], node: { id: 'edge-1' } }).next()).toMatchObject({ got: ['default'] });
    const { ended } = await peer({ uid: 4004, names: ['default'], node: { id: 'core' } }).next();
    expect(ended).toContain('PERMISSION_DENIED');
  });
});

describe.runIf(isRoot)('a reload', () => {
  const everything = `${OPEN}\n    - { uid: [4001] }\n`;
  const less = `${OPEN}\n    - { uid: [4001], names: ["default"] }\n`;
  const nobody = `${OPEN}\n    - { uid: [4001], names: [] }\n`;

  test('takes a bundle away: one that trusts nobody comes in its place', async () => {
    await start(everything);
    const client = peer({ uid: 4001, names: [BUNDLE] });
    const { got } = await client.next();
    expect(got).toEqual([BUNDLE]);
    running.configure(less);
    expect(await client.next()).toMatchObject({ got: [BUNDLE] });
    const [, taken] = running.events.filter(({ type }) => type === 'secrets_pushed');
    expect(taken).toMatchObject({ secrets: [{ name: BUNDLE, kind: 'validation_context' }], because: 'update' });
    running.configure(everything);
    expect(await client.next()).toMatchObject({ got: [BUNDLE] });
  });

  test('removes a certificate with delta, and sends it again when it may be had again', async () => {
    await start(everything);
    const client = peer({ uid: 4001, asks: 'delta', names: [SVID, 'default'] });
    const first = [(await client.next()).got, (await client.next()).got].flat();
    expect(first.sort()).toEqual(['default', SVID]);
    running.configure(less);
    expect(await client.next()).toMatchObject({ got: [], removed: [SVID] });
    running.configure(everything);
    expect(await client.next()).toMatchObject({ got: [SVID], removed: [] });
  });

  test('that gives a peer nothing any more leaves its stream open without anything, and refuses the next', async () => {
    await start(everything);
    const client = peer({ uid: 4001, asks: 'delta', names: ['default'] });
    await client.next();
    running.configure(nobody);
    expect(await client.next()).toMatchObject({ removed: ['default'] });
    await running.workloadApi.rotate();
    expect([...running.sidecar.streams]).toMatchObject([{ rule: 'sds.allow[0]' }]);
    expect(await peer({ uid: 4001, asks: 'bytes' }).next()).toMatchObject({ bytes: 0 });
    running.configure(everything);
    expect(await client.next()).toMatchObject({ got: ['default'] });
  });

  test('that changes no rule asks none again, and sends nothing', async () => {
    await start(everything);
    const client = peer({ uid: 4001, names: ['default'] });
    await client.next();
    const before = running.events.length;
    running.configure(`${everything}  bundle_ack_timeout: 3s\n`);
    await running.workloadApi.rotate();
    await client.next();
    expect(running.events.slice(before).filter(({ type }) => type === 'secrets_pushed')).toHaveLength(1);
  });
});

describe.runIf(isRoot)('10 000 attempts of users who may not', () => {
  test('get no byte, while rules are reloaded and change their order, and friends come and go', {
    timeout: 120_000,
  }, async () => {
    await start();
    const orders = [
      `${OPEN}\n    - { uid: [4001] }\n    - { uid: [4002], names: [] }\n    - { gid: [4500] }\n`,
      `${OPEN}\n    - { gid: [4500] }\n    - { uid: [4002], names: [] }\n    - { uid: [4001] }\n`,
      `${OPEN}\n    - { uid: [4002], names: [] }\n`,
      `${OPEN}\n    - { uid: [4001], names: ["default"] }\n`,
    ];
    const foes = [4002, 4998, 4999, 5000].map((uid) => peer({ uid, asks: 'bytes', attempts: 2_500 }));
    let done = false;
    const attempts = Promise.all(
      foes.map(async (foe) => {
        let sum = { bytes: 0, attempts: 0 };
        while (sum.attempts < 2_500) {
          const { bytes = 0, attempts = 0 } = await foe.next();
          sum = { bytes: sum.bytes + bytes, attempts: sum.attempts + attempts };
        }
        return sum;
      }),
    ).finally(() => {
      done = true;
    });
    const reloading = (async () => {
      for (let i = 0; !done; i++) {
        running.configure(orders[i % orders.length] as string);
        await Promise.race([running.eventAfter(running.events.length, 'access_denied'), attempts]);
      }
    })();
    const friends = (async () => {
      while (!done) {
        await using friend = peer({ uid: 4003, gid: 4500, asks: 'fetch', names: [SVID] });
        await friend.next();
      }
    })();
    const [counts] = await Promise.all([attempts, reloading, friends]);
    expect(counts).toEqual(foes.map(() => ({ bytes: 0, attempts: 2_500 })));
    expect(running.events.filter(({ type }) => type === 'access_denied').length).toBeGreaterThanOrEqual(10_000);
  });

  test.skipIf(!mayChoosePids())('get no byte with the pid that a friend had', async () => {
    await start();
    // Another process may get the pid first, and keep it: then it is tried with another.
    const line = await eventually('a foe with the pid of a friend', async () => {
      const friend = peer({ uid: 4001, names: ['default'] });
      await friend.next();
      await friend[Symbol.asyncDispose]();
      const told = await peer({ uid: 4999, asks: 'bytes', attempts: 10, pid: friend.pid }).next();
      return told.ended === PID_TAKEN ? undefined : told;
    });
    expect(line).toMatchObject({ bytes: 0 });
  });
});
