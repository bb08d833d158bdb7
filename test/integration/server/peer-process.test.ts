import { chmod, mkdtempDisposable } from 'node:fs/promises';
import { createServer, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { LOOK_MS, type PeerProcess, PeerProcesses } from '../../../src/server/peer-process.ts';
import { listen } from '../../../src/server/unix-listener.ts';
import { chooseNextPid, mayChoosePids } from '../../support/access/next-pid.ts';
import { ManualClock } from '../../support/clocks/manual-clock.ts';
import { eventually } from '../../support/eventually.ts';
import { Child } from '../../support/sidecar/child.ts';

let stack: AsyncDisposableStack;
let path: string;
let accepted: PromiseWithResolvers<Socket>;
let clock: ManualClock;

beforeEach(async () => {
  stack = new AsyncDisposableStack();
  const folder = stack.use(await mkdtempDisposable(join(tmpdir(), 'peer-process-'))).path;
  await chmod(folder, 0o755);
  path = join(folder, 'sds.sock');
  accepted = Promise.withResolvers();
  const server = createServer((socket) => accepted.resolve(socket.on('error', () => undefined)));
  await listen(server, { path });
  stack.defer(() => void server.close());
  clock = new ManualClock();
});
afterEach(() => stack.disposeAsync());

/** A process that connects, and what is held of it. */
async function connected(): Promise<{ readonly child: Child; readonly held: PeerProcess }> {
  const child = stack.use(new Child(process.execPath, ['--eval', `require('node:net').connect(${JSON.stringify(path)})`]));
  const socket = await accepted.promise;
  stack.defer(() => void socket.destroy());
  const held = (await PeerProcesses.load(clock)).of(socket);
  if (held === undefined) throw new Error('the kernel does not know who connected');
  stack.use(held);
  return { child, held };
}

/** What load() tests for; tests of it run where there is something to test. */
const hasPidfds = await PeerProcesses.load(new ManualClock()).then(
  () => true,
  () => false,
);

describe.runIf(hasPidfds)('the process of a peer', () => {
  test('has not ended while it runs, and has afterwards', async () => {
    const { child, held } = await connected();
    expect(held.ended).toBe(false);
    await child.stop();
    expect(held.ended).toBe(true);
  });

  test('is told to have ended, once, at the next look', async () => {
    const { child, held } = await connected();
    let told = 0;
    held.onEnded(() => told++);
    clock.advance(LOOK_MS);
    expect(told).toBe(0);
    await child.stop();
    clock.advance(LOOK_MS);
    clock.advance(LOOK_MS);
    expect(told).toBe(1);
  });

  test('is told to have ended to whoever asks when it had', async () => {
    const { child, held } = await connected();
    await child.stop();
    let told = 0;
    held.onEnded(() => told++);
    clock.advance(LOOK_MS);
    expect(told).toBe(1);
  });

  test('is not told of to who does not want to know any more', async () => {
    const { child, held } = await connected();
    let told = 0;
    const forget = held.onEnded(() => told++);
    held.onEnded(() => told++);
    forget();
    held.close();
    await child.stop();
    clock.advance(LOOK_MS);
    expect(told).toBe(0);
  });

  test.skipIf(!mayChoosePids())('is not taken for another that has its pid later', async () => {
    const { child, held } = await connected();
    await child.stop();
    // Somebody else may get it first: then it is tried again.
    await eventually('a process with the same pid', async () => {
      chooseNextPid(child.pid);
      return stack.use(new Child('sleep', ['60'])).pid === child.pid || undefined;
    });
    expect(held.ended).toBe(true);
  });
});

test('where the kernel has no pidfds, it says so', async () => {
  const platform = Object.getOwnPropertyDescriptor(process, 'platform') as PropertyDescriptor;
  Object.defineProperty(process, 'platform', { ...platform, value: 'plan9' });
  stack.defer(() => void Object.defineProperty(process, 'platform', platform));
  await expect(PeerProcesses.load(clock)).rejects.toThrow('there is no SO_PEERPIDFD on plan9');
});
