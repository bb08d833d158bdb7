import { once } from 'node:events';
import { chmod, chown, link, mkdtemp, readdir, readFile, rm, stat, symlink, writeFile } from 'node:fs/promises';
import { connect, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { UnixListener, type UnixListenerOptions } from '../../src/server/unix-listener.ts';

const NOBODY = 65_534;
const isRoot = process.getuid?.() === 0;

let folder: string;
let path: string;
let listeners: UnixListener[];

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'unix-listener-'));
  path = join(folder, 'sds.sock');
  listeners = [];
});
afterEach(async () => {
  for (const listener of listeners) await listener.close();
  await rm(folder, { recursive: true });
});

/** @param answer what it says to who connects */
async function open({
  answer = 'served',
  ...options
}: Partial<UnixListenerOptions> & { answer?: string } = {}): Promise<UnixListener> {
  // Who only looks whether somebody answers does not wait for that.
  const server = createServer((socket) => socket.on('error', () => undefined).end(answer));
  const listener = await UnixListener.open({ path, mode: 0o600, setting: 'sds.listen', server, ...options });
  listeners.push(listener);
  return listener;
}

/** What who listens at the path says, or the error of nobody doing so. */
async function answerAt(file: string): Promise<string> {
  const socket = connect(file);
  try {
    const [data] = await once(socket, 'data');
    return String(data);
  } catch (error) {
    return (error as NodeJS.ErrnoException).code ?? '';
  } finally {
    socket.destroy();
  }
}

/** Leaves the socket of a process behind that did not end well. */
async function leaveStale(file: string): Promise<void> {
  const dead = createServer().listen(join(folder, 'dead'));
  await once(dead, 'listening');
  await link(join(folder, 'dead'), file);
  dead.close();
  await once(dead, 'close');
}

/** Runs as a user without rights. The process stays root otherwise. */
async function asNobody<T>(run: () => Promise<T>): Promise<T> {
  process.seteuid?.(NOBODY);
  try {
    return await run();
  } finally {
    process.seteuid?.(0);
  }
}

describe('a Unix listener', () => {
  test('hands over who connects', async () => {
    await open();
    expect(await answerAt(path)).toBe('served');
  });

  test.for([0o600, 0o660, 0o666, 0o777])('has the mode that was asked for, whatever the umask: %o', async (mode) => {
    await open({ mode });
    expect((await stat(path)).mode & 0o777).toBe(mode);
  });

  test('belongs to the group that was asked for', async () => {
    const gid = isRoot ? 1337 : (process.getgid?.() ?? 0);
    await open({ gid });
    expect((await stat(path)).gid).toBe(gid);
  });

  test('makes its folder, for everybody to pass through: the mode of the socket decides', async () => {
    path = join(folder, 'run', 'spiffe-sds', 'sds.sock');
    await open();
    expect((await stat(dirname(path))).mode & 0o777).toBe(0o755 & ~process.umask());
  });

  test('leaves the mode of a folder alone that is there', async () => {
    await chmod(folder, 0o710);
    await open();
    expect((await stat(folder)).mode & 0o777).toBe(0o710);
  });

  test('leaves nothing beside its socket', async () => {
    await open();
    expect(await readdir(folder)).toEqual(['sds.sock']);
  });

  test('replaces a socket that a dead process left behind', async () => {
    await leaveStale(path);
    await open();
    expect(await answerAt(path)).toBe('served');
  });

  test('replaces its temporary name that a dead process with its pid left behind, as in a container', async () => {
    await leaveStale(join(folder, `.${process.pid}`));
    await open();
    expect((await readdir(folder)).sort()).toEqual(['sds.sock']);
  });
});

describe('a Unix listener refuses', () => {
  test('to take the place of one that lives, which goes on', async () => {
    await open();
    await expect(open({ answer: 'usurped' })).rejects.toMatchObject({
      code: 'listen_failed',
      message: expect.stringMatching(/another process answers there: stop it, or choose another path \(sds\.listen\)$/),
    });
    expect(await answerAt(path)).toBe('served');
  });

  test('to take the place of a file, which stays', async () => {
    await writeFile(path, 'mine');
    await expect(open()).rejects.toThrow(/something that is not a socket is there: remove it/);
    expect(await readFile(path, 'utf8')).toBe('mine');
  });

  test('to follow a symbolic link, even to a socket', async () => {
    await leaveStale(join(folder, 'elsewhere'));
    await symlink('elsewhere', path);
    await expect(open()).rejects.toThrow(/something that is not a socket is there/);
  });

  test('a path through a file', async () => {
    await writeFile(path, '');
    await expect(open({ path: join(path, 'sds.sock') })).rejects.toThrow(/: a part of that path is not a folder$/);
  });

  test('a path deep below a file', async () => {
    await writeFile(path, '');
    await expect(open({ path: join(path, 'run', 'sds.sock') })).rejects.toThrow(/: a part of that path is not a folder$/);
  });

  test('with the path and the user in its message', async () => {
    await writeFile(path, '');
    await expect(open()).rejects.toThrow(
      `cannot listen on unix://${path} as uid ${process.getuid?.()}, gid ${process.getgid?.()}: `,
    );
  });

  test.runIf(isRoot)('a folder that it may not write, and says what to do', async () => {
    await expect(asNobody(() => open())).rejects.toThrow(/EACCES.*: let this user write in that folder/);
  });

  test.runIf(isRoot)('a group that it is no member of, says what to do, and leaves nothing behind', async () => {
    await chown(folder, NOBODY, NOBODY);
    await expect(asNobody(() => open({ gid: 1337 }))).rejects.toThrow(
      /EPERM.*: run it as a member of the group, or set no group$/,
    );
    expect(await readdir(folder)).toEqual([]);
  });
});

describe('a closed Unix listener', () => {
  test('accepts nobody and removes its socket', async () => {
    const listener = await open();
    await listener.close();
    expect([await answerAt(path), await readdir(folder)]).toEqual(['ENOENT', []]);
  });

  test('leaves the socket of its successor alone', async () => {
    const listener = await open();
    await rm(path);
    await open({ answer: 'successor' });
    await listener.close();
    expect(await answerAt(path)).toBe('successor');
  });

  test('does not mind that its socket is gone, or being closed twice', async () => {
    const listener = await open();
    await rm(path);
    await listener.close();
    await expect(listener.close()).resolves.toBeUndefined();
  });
});
