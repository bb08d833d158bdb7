/** What a release has for one architecture: the bundle is the same for all, and what is machine code comes from npm's packages. */
import { execFile } from 'node:child_process';
import { copyFile, cp, mkdir, readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import type { Contents } from '../debian/build.ts';
import { type Material, sha256 } from './papers.ts';

const run = promisify(execFile);

/** As Node says it. */
export type Architecture = 'x64' | 'arm64';

export interface ReleaseContents extends Contents {
  readonly arch: Architecture;
  /** npm's packages that the machine code is of. */
  readonly materials: readonly Material[];
}

interface Package extends Material {
  /** Its files. */
  readonly folder: string;
  /** As the lockfile writes it: `sha512-…`. */
  readonly integrity: string;
}

/**
 * @param root of the checkout, with what `npm run build` made
 * @param folder an empty one to work in
 * @throws when npm has no such package, or another one than the lockfile says
 */
export async function contentsFor(arch: Architecture, root: string, folder: string): Promise<ReleaseContents> {
  const { dependencies, devDependencies } = await json(join(root, 'package.json'));
  const locked = (await json(join(root, 'package-lock.json'))).packages[`node_modules/@koromix/koffi-linux-${arch}`];
  const koffi = await unpacked(`@koromix/koffi-linux-${arch}`, dependencies.koffi, join(folder, 'koffi'));
  if (koffi.integrity !== locked.integrity) throw new Error(`${koffi.uri} is not the one that package-lock.json names`);
  const node = await unpacked(`node-linux-${arch}`, devDependencies.node, join(folder, 'node'));
  const dist = join(folder, 'dist');
  // V8's compiled code is of one machine and of one user.
  await cp(join(root, 'dist'), dist, { recursive: true, filter: (path) => !path.endsWith('.compile-cache') });
  const addons = (await readdir(dist)).filter((name) => name.endsWith('.node'));
  if (addons.length !== 1) throw new Error(`dist/ has ${addons.length} files of machine code, not one: npm run build`);
  await copyFile(join(koffi.folder, `linux_${arch}`, 'koffi.node'), join(dist, addons[0] as string));
  const materials = [koffi, node].map(({ uri, sha256 }) => ({ uri, sha256 }));
  return { arch, dist, node: join(node.folder, 'bin', 'node'), nodeLicense: join(node.folder, 'LICENSE'), materials };
}

/** npm knows the machine's registry, and checks what it gets. */
async function unpacked(name: string, version: string, folder: string): Promise<Package> {
  await mkdir(folder, { recursive: true });
  const { stdout } = await run('npm', ['pack', '--silent', '--json', '--pack-destination', folder, `${name}@${version}`]);
  const [{ filename, integrity }] = JSON.parse(stdout);
  const file = join(folder, filename.replace('@', '').replace('/', '-'));
  await run('tar', ['-xzf', file, '-C', folder]);
  const uri = `pkg:npm/${name.replace('@', '%40')}@${version}`;
  return { uri, integrity, sha256: sha256(await readFile(file)), folder: join(folder, 'package') };
}

async function json(file: string) {
  return JSON.parse(await readFile(file, 'utf8'));
}
