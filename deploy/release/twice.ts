/**
 * `npm run release:twice`: makes the release of the last commit in two clean clones, and says which files differ. They should not: whoever
 * has the commit can then find out that a release was made from it, and from nothing else.
 */
import { execFile } from 'node:child_process';
import { mkdtempDisposable, readFile, symlink } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';

const ROOT = join(import.meta.dirname, '..', '..');
const run = promisify(execFile);

/** @returns the lines of its SHA256SUMS, and of those of its provenance */
async function releaseOfClone(folder: string): Promise<{ readonly sums: readonly string[]; readonly provenance: string }> {
  await run('git', ['clone', '--quiet', ROOT, join(folder, 'clone')]);
  const clone = { cwd: join(folder, 'clone'), maxBuffer: 2 ** 26 };
  await run('npm', ['ci', '--silent', '--no-audit', '--no-fund', '--prefer-offline'], clone);
  await symlink(join(ROOT, '.tools'), join(clone.cwd, '.tools'));
  await run('npm', ['run', '--silent', 'release:dry', join(folder, 'release')], clone);
  const read = (name: string) => readFile(join(folder, 'release', name), 'utf8');
  return { sums: (await read('SHA256SUMS')).trim().split('\n'), provenance: await read('provenance.json') };
}

try {
  await using first = await mkdtempDisposable(join(tmpdir(), 'spiffe-sds-first-'));
  await using second = await mkdtempDisposable(join(tmpdir(), 'spiffe-sds-second-time-'));
  const one = await releaseOfClone(first.path);
  const other = await releaseOfClone(second.path);
  const differing = one.sums.filter((line) => !other.sums.includes(line));
  if (one.provenance !== other.provenance) differing.push('provenance.json');
  if (differing.length > 0) throw new Error(`these differ from one time to the other:\n${differing.join('\n')}`);
  console.log(`twice the same:\n${one.sums.join('\n')}`);
} catch (thrown) {
  console.error(thrown instanceof Error ? thrown.message : thrown);
  process.exitCode = 1;
}
