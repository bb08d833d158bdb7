import { once } from 'node:events';
import { chmod, chown, link, mkdtemp, readdir, readFile, rename, rm, stat, symlink, writeFile } from 'node:fs/promises';
import { connect, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { isOpenToAll, UnixListener, type UnixListenerOptions } from '../../../src/server/unix-listener.ts';
import { Program, textOf } from '../../support/sidecar/program.ts';

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
async function open({ ...options }: Partial<UnixListenerOptions> & { answer?: string } = {}): Promise<UnixListener> {
  const listener = await UnixListener.open(optionsOf(options));
  listeners.push(listener);
  return listener;
}

function optionsOf({ answer = 'served', ...options }: Partial<UnixListenerOptions> & { answer?: string }): UnixListenerOptions {
  // Who only looks whether somebody answers does not wait for that.
  const server = createServer((socket) => socket.on('error', () => undefined).end(answer));
  return { path, mode: 0o600, setting: 'sds.listen', server, ...options };
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

  test.for([
    [0o660, 0o750],
    [0o666, 0o751],
  ] as const)('of mode %o makes its folder with mode %o, whatever the umask', async ([mode, folderMode]) => {
    const umask = process.umask(0o077);
    try {
      path = join(folder, 'spiffe-sds', 'sds.sock');
      await open({ mode });
    } finally {
      process.umask(umask);
    }
    expect((await stat(dirname(path))).mode & 0o777).toBe(folderMode);
  });

  test.runIf(isRoot)('makes its folder for the group of the socket', async () => {
    path = join(folder, 'spiffe-sds', 'sds.sock');
    await open({ gid: 1337 });
    expect((await stat(dirname(path))).gid).toBe(1337);
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

  test('has a path as long as the kernel takes', async () => {
    path = `${join(folder, 'x'.repeat(107 - '/sds.sock'.length - folder.length - 1))}/sds.sock`;
    await open();
    expect([path.length, await answerAt(path)]).toEqual([107, 'served']);
  });

  test.runIf(isRoot)('cannot be reached by another user at any moment of its start, whatever the umask', async () => {
    await chmod(folder, 0o755);
    const umask = process.umask(0);
    await using stranger = new Program(`
      import { readdirSync } from 'node:fs';
      import { connect } from 'node:net';
      process.setgid(${NOBODY});
      process.setuid(${NOBODY});
      const folder = ${JSON.stringify(folder)};
      let looks = 0;
      const visit = (path) => connect(path).on('error', () => undefined).once('connect', () => console.log('connected to ' + path));
      const look = () => {
        looks += 1;
        for (const name of readdirSync(folder)) for (const path of [name, name + '/s']) visit(folder + '/' + path);
        if (looks === 1) console.log('looking');
        setImmediate(look);
      };
      process.stdin.once('data', () => process.exit());
      look();`);
    const seen = textOf(stranger.stdout);
    await once(stranger.stdout, 'data');
    try {
      for (let start = 0; start < 200; start++) await (await UnixListener.open(optionsOf({ mode: 0o600 }))).close();
    } finally {
      process.umask(umask);
    }
    stranger.stdin.write('enough');
    expect(await seen).toBe('looking\n');
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
    await expect(open()).rejects.toThrow(/a symbolic link is there: remove it/);
  });

  test('to make more than one folder, and leaves none', async () => {
    await expect(open({ path: join(folder, 'nope', 'dir', 'sds.sock') })).rejects.toThrow(
      `its folder ${folder}/nope/dir is not there, nor is ${folder}/nope: make it for this user, or choose another path (sds.listen)`,
    );
    expect(await readdir(folder)).toEqual([]);
  });

  test.runIf(isRoot)('to make a folder where another user decides what is there', async () => {
    await chown(folder, NOBODY, NOBODY);
    await expect(open({ path: join(folder, 'dir', 'sds.sock') })).rejects.toThrow(
      `its folder ${folder}/dir is not there, and ${folder} belongs to uid ${NOBODY}: make it`,
    );
    expect(await readdir(folder)).toEqual([]);
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
    await expect(asNobody(() => open())).rejects.toThrow(
      `EACCES: permission denied, mkdir '${dirname(path)}': let this user write in that folder`,
    );
  });

  test.runIf(isRoot)('a group that it is no member of, says what to do, and leaves nothing behind', async () => {
    await chown(folder, NOBODY, NOBODY);
    await expect(asNobody(() => open({ gid: 1337 }))).rejects.toThrow(
      /EPERM: operation not permitted, lchown '[^'.]*': this user .*: run it as a member of the group, or set no group$/,
    );
    expect(await readdir(folder)).toEqual([]);
  });
});

describe('of two Unix listeners that start at once', () => {
  test.for(['on a free path', 'on one that a dead process left behind'])(
    '%s, one is refused and the other serves',
    async (what) => {
      for (let race = 0; race < 50; race++) {
        await rm(path, { force: true });
        if (what !== 'on a free path') await leaveStale(path);
        const opened = await Promise.allSettled([open({ answer: 'one' }), open({ answer: 'other' })]);
        const refused = opened.flatMap((result) => (result.status === 'rejected' ? [result.reason.message] : []));
        expect(refused).toEqual([expect.stringMatching(/another process answers there: stop it, or choose another path/)]);
        expect(await answerAt(path)).toBe(opened[0]?.status === 'fulfilled' ? 'one' : 'other');
        for (const listener of listeners.splice(0)) await listener.close();
      }
      expect(await readdir(folder)).toEqual([]);
    },
  );
});

describe('a Unix listener whose path is gone', () => {
  test('says so, also when the folder is gone', async () => {
    path = join(folder, 'run', 'sds.sock');
    const listener = await open();
    expect(await listener.lost()).toBeUndefined();
    await rm(path);
    expect(await listener.lost()).toBe('it was removed');
    await rm(dirname(path), { recursive: true });
    expect(await listener.lost()).toBe('it was removed');
  });

  test('says whose socket or file is in its place', async () => {
    const listener = await open();
    await rm(path);
    await writeFile(path, '');
    expect(await listener.lost()).toBe(`something that is not a socket, of uid ${process.getuid?.()}, is in its place`);
    await rm(path);
    await open({ answer: 'usurped' });
    expect(await listener.lost()).toBe(`another socket, of uid ${process.getuid?.()}, is in its place`);
  });

  test('is the same when somebody moves it back', async () => {
    const listener = await open();
    await rename(path, join(folder, 'moved'));
    await rename(join(folder, 'moved'), path);
    expect(await listener.lost()).toBeUndefined();
  });

  test('puts it back, with its mode and its folder', async () => {
    path = join(folder, 'run', 'sds.sock');
    const listener = await open({ mode: 0o620 });
    await rm(dirname(path), { recursive: true });
    await listener.restore();
    expect([await listener.lost(), await answerAt(path), (await stat(path)).mode & 0o777]).toEqual([undefined, 'served', 0o620]);
  });

  test('takes it back from a socket that lives, and not from a file', async () => {
    const listener = await open();
    await rm(path);
    await open({ answer: 'usurped' });
    await listener.restore();
    expect(await answerAt(path)).toBe('served');
    await rm(path);
    await writeFile(path, 'mine');
    await expect(listener.restore()).rejects.toThrow(/something that is not a socket is there: remove it/);
    expect(await readFile(path, 'utf8')).toBe('mine');
    await rm(path);
    await listener.restore();
    expect(await answerAt(path)).toBe('served');
  });
});

describe('a folder', () => {
  test.for([
    [0o755, false],
    [0o775, false],
    [0o777, true],
    [0o1777, false],
  ] as const)('of mode %o is open to all: %j', async ([mode, open]) => {
    await chmod(folder, mode);
    expect(await isOpenToAll(folder)).toBe(open);
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
