/** `npm run release:dry [FOLDER]`: what a release would hold, in an empty folder (default: dist-packages/VERSION). It publishes nothing. */
import { execFile } from 'node:child_process';
import { copyFile, mkdir, mkdtempDisposable, readdir, readFile, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { promisify } from 'node:util';
import { buildDebianPackage } from '../debian/build.ts';
import { findGoTool } from '../go-install.ts';
import { HELM } from '../helm/install.ts';
import { arm64Contents } from './arm64.ts';
import { changesOf, checksums, packagesIn, provenance, sha256, shippedOnly } from './papers.ts';

const ROOT = join(import.meta.dirname, '..', '..');
const run = promisify(execFile);
const told = async (command: string, ...args: readonly string[]) =>
  (await run(command, args, { cwd: ROOT, maxBuffer: 2 ** 26 })).stdout.trim();

async function releaseInto(folder: string, version: string): Promise<void> {
  await mkdir(folder, { recursive: true });
  if ((await readdir(folder)).length > 0) throw new Error(`${folder} is not empty: remove it, or name another folder`);
  // The package for npm first: it has a dist/ of its own, with nothing of this machine.
  await told('npm', 'pack', '--silent', '--pack-destination', folder);
  await told('npm', 'run', '--silent', 'build');
  await buildDebianPackage(folder);
  await using scratch = await mkdtempDisposable(join(tmpdir(), 'spiffe-sds-arm64-'));
  if (process.arch !== 'arm64') await buildDebianPackage(folder, await arm64Contents(ROOT, scratch.path));
  const helm = findGoTool(HELM);
  if (helm === undefined) console.warn('without the chart: there is no helm here, npm run helm gets it');
  else await packChart(helm, folder, version);

  const licenses = await readFile(join(ROOT, 'dist', 'LICENSES.txt'), 'utf8');
  const all = JSON.parse(await told('npm', 'sbom', '--sbom-format', 'cyclonedx', '--package-lock-only'));
  const bill = shippedOnly(all, packagesIn(licenses));
  await writeFile(join(folder, `spiffe-sds-${version}.cdx.json`), `${JSON.stringify(bill, null, 2)}\n`);
  await writeFile(join(folder, 'CHANGES.md'), changesOf(await readFile(join(ROOT, 'CHANGELOG.md'), 'utf8'), version));

  const names = (await readdir(folder)).sort();
  const artifacts = await Promise.all(names.map(async (name) => ({ name, sha256: sha256(await readFile(join(folder, name))) })));
  const made = {
    version,
    revision: await told('git', 'rev-parse', 'HEAD'),
    changed: (await told('git', 'status', '--porcelain')) !== '',
    node: process.version,
    npm: await told('npm', '--version'),
  };
  await writeFile(join(folder, 'provenance.json'), `${JSON.stringify(provenance(artifacts, made), null, 2)}\n`);
  await writeFile(join(folder, 'SHA256SUMS'), checksums(artifacts));
}

/** Under a name of its own: Helm and npm would both call it spiffe-sds-VERSION.tgz. */
async function packChart(helm: string, folder: string, version: string): Promise<void> {
  await using scratch = await mkdtempDisposable(join(tmpdir(), 'spiffe-sds-chart-'));
  await told(helm, 'package', join('deploy', 'helm', 'spiffe-sds'), '--destination', scratch.path);
  await copyFile(join(scratch.path, `spiffe-sds-${version}.tgz`), join(folder, `spiffe-sds-chart-${version}.tgz`));
}

try {
  const { version } = JSON.parse(await readFile(join(ROOT, 'package.json'), 'utf8'));
  const folder = resolve(process.argv[2] ?? join(ROOT, 'dist-packages', version));
  await releaseInto(folder, version);
  console.log(folder);
} catch (thrown) {
  console.error(thrown instanceof Error ? thrown.message : thrown);
  process.exitCode = 1;
}
