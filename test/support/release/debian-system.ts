/** A Debian of its own in a folder: made by mmdebstrap of the machine's mirrors, without systemd. */
import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { copyFile, mkdtempDisposable, readdir, readFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { Child } from '../sidecar/child.ts';

const MMDEBSTRAP = '/usr/bin/mmdebstrap';
const CHROOT = '/usr/sbin/chroot';
const LIMIT_MS = 240_000;
const run = promisify(execFile);

export class DebianSystem implements AsyncDisposable {
  readonly root: string;
  readonly #folder: AsyncDisposable;

  private constructor(root: string, folder: AsyncDisposable) {
    this.root = root;
    this.#folder = folder;
  }

  /** What is missing to make one; undefined when nothing is. */
  static missing(): string | undefined {
    return existsSync(MMDEBSTRAP) ? undefined : 'there is no mmdebstrap here: npm run containers installs it (Debian)';
  }

  static async make(): Promise<DebianSystem> {
    const folder = await mkdtempDisposable(join(tmpdir(), 'debian-'));
    const root = join(folder.path, 'root');
    const suite = /^VERSION_CODENAME=(.*)$/m.exec(await readFile('/etc/os-release', 'utf8'))?.[1] ?? 'stable';
    const options = ['--quiet', '--variant=apt', '--dpkgopt=path-exclude=/usr/share/locale/*'];
    const made = run(MMDEBSTRAP, [...options, suite, root, '-'], { timeout: LIMIT_MS });
    made.child.stdin?.end(await sources());
    await made;
    return new DebianSystem(root, folder);
  }

  /** Puts a file into /root. */
  async take(file: string, name: string): Promise<void> {
    await copyFile(file, join(this.root, 'root', name));
  }

  /** Runs commands in /root, as root does in a terminal; the first that fails ends them. */
  async sh(commands: string): Promise<string> {
    const env = { PATH: '/usr/sbin:/usr/bin:/sbin:/bin', HOME: '/root', DEBIAN_FRONTEND: 'noninteractive' };
    const { stdout } = await run(CHROOT, [this.root, 'sh', '-ec', `cd /root\n${commands}`], { env, timeout: LIMIT_MS });
    return stdout;
  }

  /** Runs a command as systemd would run a unit's: as its user, and with /proc. */
  start(user: string, command: readonly string[]): Child {
    const enter = 'mount -t proc proc "$0/proc" && exec /usr/sbin/chroot "$@"';
    const args = ['--mount', 'sh', '-c', enter, this.root, `--userspec=${user}`, this.root, ...command];
    return new Child('unshare', args, { PATH: '/usr/sbin:/usr/bin:/sbin:/bin' });
  }

  [Symbol.asyncDispose](): PromiseLike<void> {
    return this.#folder[Symbol.asyncDispose]();
  }
}

/** The machine's, of Debian. */
async function sources(): Promise<string> {
  const folder = '/etc/apt/sources.list.d';
  const deb822 = (await readdir(folder)).filter((name) => name === 'debian.sources').map((name) => join(folder, name));
  const files = deb822.length > 0 ? deb822 : ['/etc/apt/sources.list'];
  return (await Promise.all(files.map((file) => readFile(file, 'utf8')))).join('\n');
}
