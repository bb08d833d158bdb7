/**
 * Gets what the container tests need, what puts clocks wrong, shells, and what the tests of a release need: `npm run containers`. buildah, podman and runc come from Debian, podman-compose and the schemas of
 * Kubernetes from PyPI, the schema of compose files from npm; the package managers know the machine's mirrors, so there is no download code
 * here.
 */
import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdir, mkdtemp, rename, rm } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';

export const TOOLS = join(import.meta.dirname, '..', '..', '..', '.tools');

/** What `apt-get` installs, and the command that tells whether it is there. */
const DEBIAN: Readonly<Record<string, string>> = {
  buildah: '/usr/bin/buildah',
  podman: '/usr/bin/podman',
  runc: '/usr/sbin/runc',
  netavark: '/usr/lib/podman/netavark',
  'aardvark-dns': '/usr/lib/podman/aardvark-dns',
  iptables: '/usr/sbin/iptables',
  'golang-github-containers-common': '/usr/share/containers/seccomp.json',
  'golang-github-containers-image': '/etc/containers/policy.json',
  'busybox-static': '/bin/busybox',
};
/** Not for containers: for tests of a wall clock that is put forward and back, and of what shells complete. */
const OTHERS: Readonly<Record<string, string>> = { faketime: '/usr/bin/faketime', zsh: '/usr/bin/zsh', fish: '/usr/bin/fish' };
/** For the tests of the release: programs of the other architecture, and a Debian to install a package in. */
const RELEASE: Readonly<Record<string, string>> = {
  'qemu-user-static': '/usr/bin/qemu-aarch64-static',
  mmdebstrap: '/usr/bin/mmdebstrap',
  file: '/usr/bin/file',
};
const PYTHON = ['podman-compose==1.6.0', 'kubernetes-validate==1.37.0'] as const;
/** Carries the schema of the Compose Specification; nothing of it is run. */
const DCLINT = 'dclint@3.1.0';
const LIMIT_MS = 600_000;

const run = promisify(execFile);

/** Where the packages of `PYTHON` lie: a folder for PYTHONPATH. */
export const PYTHON_PACKAGES = join(TOOLS, 'python', PYTHON.join('+').replaceAll('==', '-'));

const DCLINT_FOLDER = join(TOOLS, DCLINT.replace('@', '-'));
export const COMPOSE_SCHEMA = join(DCLINT_FOLDER, 'node_modules', 'dclint', 'schemas', 'compose.schema.json');

/** What is missing to run containers here, for people; undefined when nothing is. */
export function missingForContainers(): string | undefined {
  if (process.platform !== 'linux') return 'containers need Linux';
  if (process.getuid?.() !== 0) return 'buildah and podman are run as root here, and this user is not root';
  const missing = Object.entries(DEBIAN).flatMap(([name, path]) => (existsSync(path) ? [] : [name]));
  if (missing.length > 0) return `there is no ${missing.join(', ')} here: npm run containers installs it (Debian)`;
  return missingForSchemas();
}

/** What is missing to check manifests and compose files against their schemas. */
export function missingForSchemas(): string | undefined {
  if (!existsSync(PYTHON_PACKAGES)) return `there is no ${PYTHON.join(', ')} here: npm run containers installs it (PyPI)`;
  return existsSync(COMPOSE_SCHEMA) ? undefined : `there is no ${DCLINT} here: npm run containers installs it (npm)`;
}

async function installDebianPackages(): Promise<void> {
  const missing = Object.entries({ ...DEBIAN, ...OTHERS, ...RELEASE }).flatMap(([name, path]) =>
    existsSync(path) ? [] : [name],
  );
  if (missing.length === 0) return;
  const options = { timeout: LIMIT_MS, env: { ...process.env, DEBIAN_FRONTEND: 'noninteractive' } };
  await run('apt-get', ['update', '--quiet'], options);
  await run('apt-get', ['install', '--yes', '--quiet', '--no-install-recommends', ...missing], options);
}

async function installPythonPackages(): Promise<void> {
  const options = ['--quiet', '--disable-pip-version-check', '--root-user-action=ignore', '--no-warn-conflicts'];
  await installInto(PYTHON_PACKAGES, (folder) => ['python3', '-m', 'pip', 'install', ...options, '--target', folder, ...PYTHON]);
}

async function installComposeSchema(): Promise<void> {
  const options = ['--ignore-scripts', '--no-save', '--no-audit', '--no-fund', '--silent'];
  await installInto(DCLINT_FOLDER, (folder) => ['npm', 'install', ...options, '--prefix', folder, DCLINT]);
}

/** Unless it is there. The folder appears whole, also when several install at once. */
async function installInto(target: string, command: (folder: string) => readonly [string, ...string[]]): Promise<void> {
  if (existsSync(target)) return;
  await mkdir(dirname(target), { recursive: true });
  // Beside the target, so that the rename stays within one file system and is atomic.
  const folder = await mkdtemp(join(dirname(target), 'tmp-'));
  try {
    const [program, ...args] = command(folder);
    await run(program, args, { timeout: LIMIT_MS });
    await rename(folder, target);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

if (import.meta.main) {
  try {
    await installPythonPackages();
    await installComposeSchema();
    if (process.platform === 'linux' && process.getuid?.() === 0) await installDebianPackages();
    const missing = missingForContainers();
    if (missing !== undefined) throw new Error(missing);
  } catch (thrown) {
    const { message, stderr = '' } = thrown as Error & { readonly stderr?: string };
    console.error(`${message}\n${stderr}`.trim());
    process.exitCode = 1;
  }
}
