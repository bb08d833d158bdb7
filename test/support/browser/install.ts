/** Gets the browser that the tests of pages look with: `npm run browser`. It is Debian's Chromium, without a window. */
import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { promisify } from 'node:util';

const PACKAGE = 'chromium-headless-shell';
export const CHROMIUM = '/usr/bin/chromium-headless-shell';
const LIMIT_MS = 600_000;

const run = promisify(execFile);

/** The path of the browser; undefined when it is not there. */
export function chromium(): string | undefined {
  return existsSync(CHROMIUM) ? CHROMIUM : undefined;
}

export const MISSING_BROWSER = `there is no ${CHROMIUM} here: npm run browser installs it (Debian, as root)`;

async function install(): Promise<void> {
  if (chromium() !== undefined) return;
  if (process.getuid?.() !== 0) throw new Error(MISSING_BROWSER);
  const options = { timeout: LIMIT_MS, env: { ...process.env, DEBIAN_FRONTEND: 'noninteractive' } };
  await run('apt-get', ['update', '--quiet'], options);
  await run('apt-get', ['install', '--yes', '--quiet', '--no-install-recommends', PACKAGE], options);
}

if (import.meta.main) {
  try {
    await install();
  } catch (thrown) {
    const { message, stderr = '' } = thrown as Error & { readonly stderr?: string };
    console.error(`${message}\n${stderr}`.trim());
    process.exitCode = 1;
  }
}
