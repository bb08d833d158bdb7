/** Packages for Python, each in a folder of .tools of its own. */
import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdir, mkdtemp, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';

const tools = join(import.meta.dirname, '../../.tools');
const run = promisify(execFile);

/**
 * Complete or not at all: pip fills a folder of its own, which then takes the name.
 * @param requirement as pip takes it, with its version
 * @returns the folder, for PYTHONPATH; undefined, and that is told, when it cannot be had
 * @throws in CI when it cannot be had
 */
export async function pythonPackage(name: string, requirement: string): Promise<string | undefined> {
  const library = join(tools, name);
  if (existsSync(library)) return library;
  await mkdir(tools, { recursive: true });
  const target = await mkdtemp(join(tools, `${name}-`));
  try {
    await run('python3', ['-m', 'pip', 'install', '--quiet', '--target', target, requirement], { timeout: 120_000 });
    await rename(target, library);
    return library;
  } catch (error) {
    await rm(target, { recursive: true, force: true });
    if (process.env['CI'] === 'true') throw error;
    console.warn(`SKIPPED: ${requirement} cannot be installed, so interoperability is not tested: ${(error as Error).message}`);
    return undefined;
  }
}
