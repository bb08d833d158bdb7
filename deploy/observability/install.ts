/**
 * Gets Prometheus and its promtool for the tests: `node deploy/observability/install.ts`. Debian's package carries both: it is unpacked
 * here, not installed, for which nobody needs to be root; and apt knows the machine's proxy, mirror and keys, so there is no download code.
 */
import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdir, mkdtemp, readdir, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { isExecutable, onPath } from '../executable.ts';

export type PrometheusTool = 'prometheus' | 'promtool';

const TOOLS = join(import.meta.dirname, '..', '..', '.tools');
const INSTALLED = join(TOOLS, 'prometheus');
const run = promisify(execFile);

/** The path of an executable, or undefined where there is none: on the PATH, else what was unpacked here. */
export function findPrometheus(tool: PrometheusTool): string | undefined {
  return [...onPath(tool), join(INSTALLED, tool)].find(isExecutable);
}

/**
 * Puts both below `.tools/`, unless they are there, and returns their folder. Several may do so at once.
 * @throws when this is not Debian or a kin of it, or its archive cannot be reached
 */
export async function installPrometheus(): Promise<string> {
  if (existsSync(INSTALLED)) return INSTALLED;
  await mkdir(TOOLS, { recursive: true });
  // Beside the target, so that the rename stays within one file system and is atomic.
  const folder = await mkdtemp(join(TOOLS, 'tmp-'));
  try {
    await download(folder);
    const archive = (await readdir(folder)).find((name) => name.endsWith('.deb')) ?? '';
    await debian('dpkg', ['--extract', archive, 'package'], folder);
    await rename(join(folder, 'package', 'usr', 'bin'), INSTALLED);
  } catch (thrown) {
    // Otherwise another process was faster.
    if (!existsSync(INSTALLED)) throw thrown;
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
  return INSTALLED;
}

/** By the machine's package lists, which a bare machine lacks and which age; then by lists of our own, as only root may renew those. */
async function download(folder: string): Promise<void> {
  const get = (...args: readonly string[]) => debian('apt-get', [...args, 'download', 'prometheus'], folder);
  try {
    await get();
  } catch {
    await mkdir(join(folder, 'lists', 'partial'), { recursive: true });
    await mkdir(join(folder, 'cache', 'archives', 'partial'), { recursive: true });
    const own = ['-o', `Dir::State::Lists=${join(folder, 'lists')}`, '-o', `Dir::Cache=${join(folder, 'cache')}`];
    await debian('apt-get', [...own, 'update'], folder);
    await get(...own);
  }
}

async function debian(command: string, args: readonly string[], cwd: string): Promise<void> {
  try {
    await run(command, args, { cwd });
  } catch (thrown) {
    const { code, stderr = '' } = thrown as NodeJS.ErrnoException & { readonly stderr?: string };
    const mend = 'put a prometheus and a promtool on the PATH';
    if (code === 'ENOENT') {
      throw new Error(`Prometheus comes from Debian's archive, and there is no ${command} here: ${mend}`, { cause: thrown });
    }
    throw new Error(
      `${command} could not get Debian's package prometheus: see whether "apt-get update" works as root, or ${mend}: ${stderr.trim()}`,
      { cause: thrown },
    );
  }
}

if (import.meta.main) {
  installPrometheus().then(console.log, (thrown: unknown) => {
    console.error(thrown instanceof Error ? thrown.message : thrown);
    process.exitCode = 1;
  });
}
