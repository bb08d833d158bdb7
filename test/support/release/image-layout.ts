/** An OCI image layout, and one of its images as a folder whose program can be run: of another architecture by qemu-user. */
import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { copyFile, mkdir, readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { Child } from '../sidecar/child.ts';

const run = promisify(execFile);
/** With /proc, as a container has it, in a mount name space of its own, which ends with the program. */
const ENTER = ['--mount', 'sh', '-c', 'mount -t proc proc "$0/proc" && exec /usr/sbin/chroot "$@"'] as const;
/** Of Debian's qemu-user-static. */
const QEMU = { arm64: '/usr/bin/qemu-aarch64-static', x64: '/usr/bin/qemu-x86_64-static' } as const;
const DEBIAN_NAMES = { amd64: 'x64', arm64: 'arm64' } as const;

/** As the layout says it. */
export type Platform = keyof typeof DEBIAN_NAMES;

interface Descriptor {
  readonly digest: string;
  readonly size: number;
  readonly platform?: { readonly os: string; readonly architecture: string };
}

export interface ImageConfig {
  readonly architecture: string;
  readonly os: string;
  readonly config: {
    readonly User: string;
    readonly Env: readonly string[];
    readonly Entrypoint: readonly [string, ...string[]];
    readonly Cmd: readonly string[];
    readonly Labels: Readonly<Record<string, string>>;
  };
}

export class ImageLayout {
  readonly #folder: string;

  private constructor(folder: string) {
    this.#folder = folder;
  }

  /** @param folder an empty one, which it needs for as long as it is used */
  static async open(archive: string, folder: string): Promise<ImageLayout> {
    await run('tar', ['-xf', archive, '-C', folder]);
    return new ImageLayout(folder);
  }

  /** What `oci-layout` says. */
  async version(): Promise<unknown> {
    return JSON.parse(await readFile(join(this.#folder, 'oci-layout'), 'utf8'));
  }

  /** One for each platform, as the index of the only name has them. */
  async images(): Promise<readonly Descriptor[]> {
    const { manifests } = JSON.parse(await readFile(join(this.#folder, 'index.json'), 'utf8'));
    const { manifests: images } = await this.#json(manifests[0]);
    return images;
  }

  /** Blobs that their name is not the digest of. */
  async altered(): Promise<readonly string[]> {
    const folder = join(this.#folder, 'blobs', 'sha256');
    const checked = (await readdir(folder)).map(async (name) => {
      const content = await readFile(join(folder, name));
      return createHash('sha256').update(content).digest('hex') === name ? [] : [name];
    });
    return (await Promise.all(checked)).flat();
  }

  /** @throws when there is none for that platform */
  async unpack(platform: Platform, folder: string): Promise<UnpackedImage> {
    const image = (await this.images()).find((one) => one.platform?.architecture === platform);
    if (image === undefined) throw new Error(`the layout has no image for ${platform}`);
    const { config, layers } = await this.#json(image);
    await mkdir(folder, { recursive: true });
    for (const layer of layers) await run('tar', ['-xzf', this.#path(layer), '-C', folder]);
    return UnpackedImage.open(folder, await this.#json(config));
  }

  #path({ digest }: Descriptor): string {
    return join(this.#folder, 'blobs', digest.replace(':', '/'));
  }

  // biome-ignore lint/suspicious/noExplicitAny: each kind of document has another form
  async #json(descriptor: Descriptor): Promise<any> {
    return JSON.parse(await readFile(this.#path(descriptor), 'utf8'));
  }
}

export class UnpackedImage {
  readonly folder: string;
  readonly config: ImageConfig;
  readonly #emulator: readonly string[];

  private constructor(folder: string, config: ImageConfig, emulator: readonly string[]) {
    this.folder = folder;
    this.config = config;
    this.#emulator = emulator;
  }

  static async open(folder: string, config: ImageConfig): Promise<UnpackedImage> {
    const arch = DEBIAN_NAMES[config.architecture as Platform];
    if (arch === process.arch) return new UnpackedImage(folder, config, []);
    await copyFile(QEMU[arch], join(folder, 'qemu'));
    return new UnpackedImage(folder, config, ['/qemu']);
  }

  /** What is missing to run images of all platforms; undefined when nothing is. */
  static missing(): string | undefined {
    const needed = Object.entries(QEMU).filter(([arch]) => arch !== process.arch);
    const missing = needed.some(([, path]) => !existsSync(path));
    return missing ? 'there is no qemu-user-static here: npm run containers installs it (Debian)' : undefined;
  }

  /** Runs it as the image says: its user, its environment, its entry point. */
  start(args: readonly string[] = this.config.config.Cmd, env: Readonly<Record<string, string>> = {}): Child {
    return new Child('unshare', this.#command(args), { ...this.#env, ...env });
  }

  /** @returns what it wrote to stdout */
  async output(args: readonly string[], env: Readonly<Record<string, string>> = {}): Promise<string> {
    return (await run('unshare', this.#command(args), { env: { ...this.#env, ...env } })).stdout;
  }

  get #env(): NodeJS.ProcessEnv {
    return Object.fromEntries(this.config.config.Env.map((one) => [one.split('=')[0], one.slice(one.indexOf('=') + 1)]));
  }

  #command(args: readonly string[]): readonly string[] {
    const { User, Entrypoint } = this.config.config;
    const [program, ...rest] = Entrypoint;
    const path = (this.#env['PATH'] ?? '').split(':').map((folder) => join(folder, program));
    const found = path.find((one) => existsSync(join(this.folder, one))) ?? program;
    return [...ENTER, this.folder, `--userspec=${User}`, this.folder, ...this.#emulator, found, ...rest, ...args];
  }
}
