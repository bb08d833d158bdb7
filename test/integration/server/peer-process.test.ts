import { chmod, mkdtempDisposable } from 'node:fs/promises';
import { createServer, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { type Libc, loadLibc, SocketOption } from '../../../src/server/libc.ts';
import { requireCredentialsReader } from '../../../src/server/peer-credentials.ts';
import { LOOK_MS, type PeerProcess, PeerProcesses } from '../../../src/server/peer-process.ts';
import { ProcessesByPid } from '../../../src/server/processes-by-pid.ts';
import { listen } from '../../../src/server/unix-listener.ts';
import { mayChoosePids, withPid } from '../../support/access/next-pid.ts';
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
  accepted = Promise.withResolvers();
  const child = stack.use(new Child(process.execPath, ['--eval', `require('node:net').connect(${JSON.stringify(path)})`]));
  const socket = await accepted.promise;
  stack.defer(() => void socket.destroy());
  const held = (await PeerProcesses.load(clock)).of(socket);
  if (held === undefined) throw new Error('the kernel does not know who connected');
  stack.use(held);
  return { child, held };
}

/** Asking for it fails, as asking for SO_PEERPIDFD does there. */
const UNKNOWN_OPTION = 9_999;
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
    // Somebody else may get it first, and keep it: then it is tried with another.
    const held = await eventually('a process with the same pid', async () => {
      const { child, held } = await connected();
      await child.stop();
      const [command = '', ...args] = [...withPid(child.pid), 'sh', '-c', 'echo here; exec sleep 60'];
      const [line] = await stack.use(new Child(command, args)).written(/^.+$/m);
      return line === 'here' ? held : undefined;
    });
    expect(held.ended).toBe(true);
  });
});

describe('on a kernel without SO_PEERPIDFD', () => {
  /** What such a kernel does, by this one. */
  async function older(): Promise<Libc> {
    const libc = await loadLibc();
    return {
      ...libc,
      getsockopt: (fd, level, option, value, length) =>
        libc.getsockopt(fd, level, option === SocketOption.PEERPIDFD ? UNKNOWN_OPTION : option, value, length),
    };
  }

  async function heldByPid(): Promise<{ readonly child: Child; readonly socket: Socket; readonly processes: PeerProcesses }> {
    const processes = await PeerProcesses.load(clock, { allowWithoutPidfd: true, libc: await older() });
    const child = stack.use(new Child(process.execPath, ['--eval', `require('node:net').connect(${JSON.stringify(path)})`]));
    const socket = await accepted.promise;
    stack.defer(() => void socket.destroy());
    return { child, socket, processes };
  }

  test('nothing is held unless that is allowed', async () => {
    await expect(PeerProcesses.load(clock, { libc: await older() })).rejects.toThrow('takes Linux 6.5');
  });

  test('the process that has the pid when its connection is accepted is held', async () => {
    const { child, socket, processes } = await heldByPid();
    processes.accepted(socket);
    const held = stack.use(processes.of(socket) as PeerProcess);
    expect(processes.withoutPidfd).toBe(true);
    expect(held.ended).toBe(false);
    await child.stop();
    expect(held.ended).toBe(true);
  });

  test('a process that ended before its connection was accepted is not', async () => {
    const { child, socket, processes } = await heldByPid();
    await child.stop();
    processes.accepted(socket);
    expect(processes.of(socket)).toBeUndefined();
  });

  test('a process of another user that has its pid then is not', async () => {
    const { socket } = await heldByPid();
    const byPid = new ProcessesByPid(await older(), await requireCredentialsReader(), () => 'Uid:\t4999\t4999\t4999\t4999\n');
    byPid.accepted(socket);
    expect(byPid.take(socket)).toBeUndefined();
  });
});

test('where the kernel has no pidfds, it says so', async () => {
  const platform = Object.getOwnPropertyDescriptor(process, 'platform') as PropertyDescriptor;
  Object.defineProperty(process, 'platform', { ...platform, value: 'plan9' });
  stack.defer(() => void Object.defineProperty(process, 'platform', platform));
  await expect(PeerProcesses.load(clock)).rejects.toThrow('there is no SO_PEERPIDFD on plan9');
});
