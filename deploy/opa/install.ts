/**
 * Gets Open Policy Agent for the tests: `node deploy/opa/install.ts`. Go builds it from its module, and knows the machine's proxy and the
 * checksums that everybody sees, so there is no download code here.
 */
import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdir, mkdtemp, rename, rm } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';
import { isExecutable, onPath } from '../executable.ts';

const VERSION = '1.22.3';
const TOOLS = join(import.meta.dirname, '..', '..', '.tools');
const INSTALLED = join(TOOLS, `opa-${VERSION}`, 'opa');
const run = promisify(execFile);

/** The path of the executable, or undefined where there is none: on the PATH, else what was built here. */
export function findOpa(): string | undefined {
  return [...onPath('opa'), INSTALLED].find(isExecutable);
}

/**
 * Builds it below `.tools/`, unless it is there, and returns its path. Several may do so at once.
 * @throws when there is no Go, or the module cannot be had
 */
export async function installOpa(): Promise<string> {
  if (existsSync(INSTALLED)) return INSTALLED;
  await mkdir(dirname(INSTALLED), { recursive: true });
  // Beside the target, so that the rename stays within one file system and is atomic.
  const folder = await mkdtemp(join(TOOLS, 'tmp-'));
  try {
    const env = { ...process.env, GOBIN: folder, CGO_ENABLED: '0' };
    await run('go', ['install', `github.com/open-policy-agent/opa@v${VERSION}`], { env, maxBuffer: 2 ** 26 });
    await rename(join(folder, 'opa'), INSTALLED);
  } catch (thrown) {
    const { code, stderr = '' } = thrown as NodeJS.ErrnoException & { readonly stderr?: string };
    const mend = 'put an opa on the PATH';
    if (code === 'ENOENT')
      throw new Error(`OPA is built by Go, and there is no go here: install it, or ${mend}`, { cause: thrown });
    throw new Error(`go could not build OPA: see whether its module proxy can be reached, or ${mend}: ${stderr.trim()}`, {
      cause: thrown,
    });
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
  return INSTALLED;
}

if (import.meta.main) {
  installOpa().then(console.log, (thrown: unknown) => {
    console.error(thrown instanceof Error ? thrown.message : thrown);
    process.exitCode = 1;
  });
}
