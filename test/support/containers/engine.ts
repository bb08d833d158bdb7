/**
 * buildah, podman and podman-compose with a storage of their own, so that tests see only what they made. Nothing is ever pulled: what the
 * images are made from is in stand-ins.ts.
 */
import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { mkdir, statfs, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { Child } from '../sidecar/child.ts';
import { PYTHON_PACKAGES, TOOLS } from './install.ts';

export const ROOT = join(import.meta.dirname, '..', '..', '..');
const FOLDER = join(TOOLS, 'containers');
/** Sockets lie there, whose paths must be short; gone after a reboot, as the containers are. */
const RUN = join('/run', `spiffe-sds-test-${createHash('sha256').update(FOLDER).digest('hex').slice(0, 8)}`);
const OVERLAY_FS = 0x794c7630;
const LIMIT_MS = 120_000;

const run = promisify(execFile);

/** How the project's containers are run: nothing that they do not need. */
export const HARDENED = [
  '--read-only',
  '--read-only-tmpfs=false',
  '--cap-drop=ALL',
  '--security-opt=no-new-privileges',
  '--network=none',
  '--pull=never',
] as const;

/** What a command came to. */
export interface Outcome {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

export class ContainerEngine {
  /** With which podman sees what this engine made. */
  readonly env: NodeJS.ProcessEnv;

  private constructor(env: NodeJS.ProcessEnv) {
    this.env = env;
  }

  static async open(): Promise<ContainerEngine> {
    await mkdir(FOLDER, { recursive: true });
    await mkdir(RUN, { recursive: true });
    // An overlay cannot lie on an overlay: inside another container each layer is a copy.
    const driver = (await statfs(FOLDER)).type === OVERLAY_FS ? 'vfs' : 'overlay';
    const storage = `[storage]\ndriver = "${driver}"\ngraphroot = "${FOLDER}/storage"\nrunroot = "${RUN}/storage"\n`;
    // crun refuses hybrid cgroups; the limits must fit into those of this process.
    const containers = `[containers]
default_ulimits = ["nofile=1024:1024", "nproc=1000:1000"]
log_driver = "k8s-file"
[engine]
runtime = "runc"
cgroup_manager = "cgroupfs"
events_logger = "file"
lock_type = "file"
tmp_dir = "${RUN}/libpod"
[network]
network_config_dir = "${FOLDER}/networks"
`;
    const files = { CONTAINERS_STORAGE_CONF: storage, CONTAINERS_CONF: containers };
    const env: NodeJS.ProcessEnv = { ...process.env, PYTHONPATH: PYTHON_PACKAGES, DISABLE_HC_SYSTEMD: 'true' };
    for (const [name, text] of Object.entries(files)) {
      env[name] = join(FOLDER, `${name.toLowerCase()}.toml`);
      await writeFile(env[name], text);
    }
    return new ContainerEngine(env);
  }

  /** conmon, which watches over what is run in a container, leaves a file `oom` in the folder that it was started in when the kernel ends that. */
  get #options() {
    return { env: this.env, cwd: RUN, timeout: LIMIT_MS } as const;
  }

  /** @throws when it fails, with what it wrote */
  async podman(...args: readonly string[]): Promise<string> {
    return (await run('podman', args, this.#options)).stdout.trim();
  }

  /** Like `podman`, but a failure is an outcome. */
  async tried(...args: readonly string[]): Promise<Outcome> {
    try {
      const { stdout, stderr } = await run('podman', args, this.#options);
      return { code: 0, stdout, stderr };
    } catch (thrown) {
      const { code, stdout, stderr } = thrown as Outcome;
      if (typeof code !== 'number') throw thrown;
      return { code, stdout, stderr };
    }
  }

  /** A podman that stays, such as `run` without `--detach`. */
  attached(...args: readonly string[]): Child {
    return new Child('podman', args, this.env);
  }

  /** @param context a folder with what the file copies */
  async build(context: string, tag: string, ...args: readonly string[]): Promise<void> {
    // Docker's format: OCI's has no place for a health check.
    const options = ['--isolation=chroot', '--format=docker', '--pull-never', '--layers', `--tag=${tag}`];
    await run('buildah', ['bud', ...options, ...args, context], { env: this.env, timeout: LIMIT_MS });
  }

  /** The value of one of an image's labels, undefined when there is no such image. */
  async label(image: string, name: string): Promise<string | undefined> {
    const { code, stdout } = await this.tried('image', 'inspect', '--format', `{{ index .Labels "${name}" }}`, image);
    return code === 0 ? stdout.trim() : undefined;
  }

  /** Bytes. */
  async size(image: string): Promise<number> {
    return Number(await this.podman('image', 'inspect', '--format', '{{ .Size }}', image));
  }

  /** podman-compose, as a user calls it. */
  async compose(folder: string, args: readonly string[], env: NodeJS.ProcessEnv = {}): Promise<string> {
    const options = { cwd: folder, env: { ...this.env, ...env }, timeout: LIMIT_MS };
    const { stdout, stderr } = await run('python3', ['-m', 'podman_compose', ...args], options);
    return `${stdout}${stderr}`;
  }

  /** What there is beside images: names of containers, volumes and networks. */
  async remains(): Promise<{
    readonly containers: readonly string[];
    readonly volumes: readonly string[];
    readonly networks: readonly string[];
  }> {
    const names = async (...args: readonly string[]) => (await this.podman(...args)).split('\n').filter((line) => line !== '');
    return {
      containers: await names('ps', '--all', '--format', '{{ .Names }}'),
      volumes: await names('volume', 'ls', '--format', '{{ .Name }}'),
      networks: (await names('network', 'ls', '--format', '{{ .Name }}')).filter((name) => name !== 'podman'),
    };
  }
}
