/**
 * Gets a tool that is written in Go: by `go install`, which compiles it, because its releases are not in a registry. Go knows the machine's
 * proxy and checks the sums, so there is no download code here.
 */
import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdir, mkdtemp, rename, rm } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';
import { isExecutable, onPath } from './executable.ts';

export interface GoTool {
  /** Of the executable. */
  readonly name: string;
  /** What is installed: the path of a package. */
  readonly package: string;
  /** As Go writes it: `v4.3.1`. */
  readonly version: string;
}

const TOOLS = join(import.meta.dirname, '..', '.tools');
const LIMIT_MS = 1_200_000;
const run = promisify(execFile);

/** The path of the executable, or undefined where there is none: what was installed here, as its version is known, else on the PATH. */
export function findGoTool(tool: GoTool): string | undefined {
  return [installed(tool), ...onPath(tool.name)].find(isExecutable);
}

/**
 * Puts it below `.tools/`, unless it is there, and returns its path. Several may do so at once.
 * @throws when there is no Go, or the package cannot be had
 */
export async function installGoTool(tool: GoTool): Promise<string> {
  const target = installed(tool);
  if (existsSync(target)) return target;
  await mkdir(TOOLS, { recursive: true });
  // Beside the target, so that the rename stays within one file system and is atomic.
  const folder = await mkdtemp(join(TOOLS, 'tmp-'));
  try {
    await goInstall(tool, folder);
    await mkdir(dirname(target), { recursive: true });
    await rename(join(folder, tool.name), target);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
  return target;
}

async function goInstall({ name, package: path, version }: GoTool, folder: string): Promise<void> {
  const env = { ...process.env, GOBIN: folder };
  try {
    await run('go', ['install', '-trimpath', '-ldflags=-s -w', `${path}@${version}`], { env, timeout: LIMIT_MS });
  } catch (thrown) {
    const { code, stderr = '' } = thrown as NodeJS.ErrnoException & { readonly stderr?: string };
    const mend = `put a ${name} on the PATH`;
    if (code === 'ENOENT') {
      throw new Error(`${name} is compiled by Go, and there is no go here: install it (1.26 or newer), or ${mend}`, {
        cause: thrown,
      });
    }
    throw new Error(`go could not install ${path}@${version}: ${stderr.trim().split('\n').slice(-5).join('\n')}; or ${mend}`, {
      cause: thrown,
    });
  }
}

function installed({ name, version }: GoTool): string {
  return join(TOOLS, `${name}-${version}`, name);
}
