/** `npm run release:dry [FOLDER]`: what a release would hold, in an empty folder (default: dist-packages/VERSION). It publishes nothing. */
import { execFile } from 'node:child_process';
import { copyFile, cp, mkdir, mkdtempDisposable, readdir, readFile, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { promisify } from 'node:util';
import { buildDebianPackage } from '../debian/build.ts';
import { isExecutable, onPath } from '../executable.ts';
import { findGoTool } from '../go-install.ts';
import { HELM } from '../helm/install.ts';
import { packagesIn, releasedBill } from './bill.ts';
import { type Architecture, contentsFor } from './contents.ts';
import { downloadDebianPackages } from './debian-root.ts';
import { buildImageLayout } from './image.ts';
import { changesOf, checksums, provenance, sha256 } from './papers.ts';

const ROOT = join(import.meta.dirname, '..', '..');
const ARCHITECTURES: readonly Architecture[] = ['x64', 'arm64'];
const run = promisify(execFile);
const told = async (command: string, ...args: readonly string[]) =>
  (await run(command, args, { cwd: ROOT, maxBuffer: 2 ** 26 })).stdout.trim();

/** What the release cannot be made without, for people; undefined when all of it is here. */
export function whyNoRelease(): string | undefined {
  if (findGoTool(HELM) === undefined) return 'there is no helm here: npm run helm gets it';
  const absent = ['apt-get', 'dpkg-deb', 'buildah'].filter((name) => !onPath(name).some(isExecutable));
  if (absent.length > 0)
    return `there is no ${absent.join(', ')} here: the release is made on Debian, npm run containers gets buildah`;
  return process.getuid?.() === 0 ? undefined : 'buildah is run as root here, and this user is not root';
}

async function releaseInto(folder: string, version: string): Promise<void> {
  const why = whyNoRelease();
  if (why !== undefined) throw new Error(why);
  await mkdir(folder, { recursive: true });
  if ((await readdir(folder)).length > 0) throw new Error(`${folder} is not empty: remove it, or name another folder`);
  const [revision, committed] = (await told('git', 'log', '-1', '--format=%H %ct')).split(' ') as [string, string];
  // The time of every file in it: the same revision makes the same release.
  const epoch = Number(process.env['SOURCE_DATE_EPOCH'] ?? committed);
  process.env['SOURCE_DATE_EPOCH'] = `${epoch}`;
  await using scratch = await mkdtempDisposable(join(tmpdir(), 'spiffe-sds-release-'));

  const debian = downloadDebianPackages(ARCHITECTURES, join(scratch.path, 'debian'));
  // The package for npm first: it has a dist/ of its own, with nothing of this machine.
  await told('npm', 'pack', '--silent', '--pack-destination', folder);
  await told('npm', 'run', '--silent', 'build');
  const contents = await Promise.all(ARCHITECTURES.map((arch) => contentsFor(arch, ROOT, join(scratch.path, arch))));
  await packChart(folder, version, epoch);
  const image = { root: ROOT, version, revision, epoch, packages: await debian };
  const [inImage] = await Promise.all([
    buildImageLayout(join(folder, `spiffe-sds-${version}.oci.tar`), contents, image),
    ...contents.map((one) => buildDebianPackage(folder, one)),
  ]);

  const licenses = await readFile(join(ROOT, 'dist', 'LICENSES.txt'), 'utf8');
  const all = JSON.parse(await told('npm', 'sbom', '--sbom-format', 'cyclonedx', '--package-lock-only'));
  const bill = releasedBill(all, { shipped: packagesIn(licenses), revision, epoch });
  await writeFile(join(folder, `spiffe-sds-${version}.cdx.json`), `${JSON.stringify(bill, null, 2)}\n`);
  await writeFile(join(folder, 'CHANGES.md'), changesOf(await readFile(join(ROOT, 'CHANGELOG.md'), 'utf8'), version));

  const names = (await readdir(folder)).sort();
  const artifacts = await Promise.all(names.map(async (name) => ({ name, sha256: sha256(await readFile(join(folder, name))) })));
  const made = {
    version,
    revision,
    changed: (await told('git', 'status', '--porcelain')) !== '',
    node: process.version,
    npm: await told('npm', '--version'),
    materials: [...contents.flatMap(({ materials }) => materials), ...inImage],
  };
  await writeFile(join(folder, 'provenance.json'), `${JSON.stringify(provenance(artifacts, made), null, 2)}\n`);
  await writeFile(join(folder, 'SHA256SUMS'), checksums(artifacts));
}

/** Under a name of its own: Helm and npm would both call it spiffe-sds-VERSION.tgz. */
async function packChart(folder: string, version: string, epoch: number): Promise<void> {
  await using scratch = await mkdtempDisposable(join(tmpdir(), 'spiffe-sds-chart-'));
  const chart = join(scratch.path, 'spiffe-sds');
  await cp(join(ROOT, 'deploy', 'helm', 'spiffe-sds'), chart, { recursive: true });
  // Helm writes the times of the files.
  await told('find', chart, '-exec', 'touch', `--date=@${epoch}`, '{}', '+');
  const helm = findGoTool(HELM) as string;
  await told(helm, 'lint', '--strict', chart);
  await told(helm, 'package', chart, '--destination', scratch.path);
  await copyFile(join(scratch.path, `spiffe-sds-${version}.tgz`), join(folder, `spiffe-sds-chart-${version}.tgz`));
}

if (import.meta.main) {
  try {
    const { version } = JSON.parse(await readFile(join(ROOT, 'package.json'), 'utf8'));
    const folder = resolve(process.argv[2] ?? join(ROOT, 'dist-packages', version));
    await releaseInto(folder, version);
    console.log(folder);
  } catch (thrown) {
    console.error(thrown instanceof Error ? thrown.message : thrown);
    process.exitCode = 1;
  }
}
