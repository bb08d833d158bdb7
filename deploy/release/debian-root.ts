/**
 * The root of the released image below what is ours: Debian's packages of the libraries that Node is linked with, and npm's Node. No shell, no
 * package manager. apt knows the machine's mirror and checks its signatures; it works beside the machine's own state, and for a foreign
 * architecture, too.
 */
import { execFile } from 'node:child_process';
import { appendFile, chmod, copyFile, mkdir, mkdtempDisposable, readdir, readFile, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';
import type { Architecture, ReleaseContents } from './contents.ts';
import { type Material, sha256 } from './papers.ts';

const run = promisify(execFile);

export const DEBIAN_NAMES: Readonly<Record<Architecture, string>> = { x64: 'amd64', arm64: 'arm64' };
const WHOLE = ['base-files', 'libc6', 'libgcc-s1', 'gcc-12-base', 'libstdc++6'] as const;
/** Of these one file: the command's first line needs env, and nothing needs the rest. */
const ONE_FILE = { coreutils: '/usr/bin/env' } as const;
const USERS = { passwd: 'root:x:0:0:root:/root:/usr/sbin/nologin\n', group: 'root:x:0:\n' } as const;

export interface DebianRoot {
  readonly arch: Architecture;
  readonly materials: readonly Material[];
}

/** Debian's packages of one moment, downloaded into a folder of their own. */
export interface DebianPackages {
  /** Fills a folder with the root for an architecture. */
  unpack(contents: ReleaseContents, root: string): Promise<DebianRoot>;
}

/** @throws when there is no apt, or its mirror has not these packages */
export async function downloadDebianPackages(architectures: readonly Architecture[], folder: string): Promise<DebianPackages> {
  await using state = await mkdtempDisposable(join(tmpdir(), 'spiffe-sds-apt-'));
  const names = architectures.map((arch) => DEBIAN_NAMES[arch]);
  const settings = {
    'APT::Architecture': names[0],
    'APT::Architectures': names.join(','),
    'Dir::State': join(state.path, 'state'),
    'Dir::State::status': join(state.path, 'status'),
    'Dir::Cache': join(state.path, 'cache'),
    'Acquire::Languages': 'none',
    'APT::Sandbox::User': 'root',
  };
  const options = Object.entries(settings).flatMap(([name, value]) => ['--option', `${name}=${value}`]);
  for (const path of ['state/lists/partial', 'cache/archives/partial']) await mkdir(join(state.path, path), { recursive: true });
  await writeFile(join(state.path, 'status'), '');
  await run('apt-get', [...options, '--quiet', 'update']);
  for (const name of names) {
    const target = join(folder, name);
    await mkdir(target, { recursive: true });
    const packages = [...WHOLE, ...Object.keys(ONE_FILE)].map((one) => `${one}:${name}`);
    await run('apt-get', [...options, '--quiet', 'download', ...packages], { cwd: target });
  }
  return { unpack: (contents, root) => unpack(join(folder, DEBIAN_NAMES[contents.arch]), contents, root) };
}

async function unpack(packages: string, { arch, node, nodeLicense }: ReleaseContents, root: string): Promise<DebianRoot> {
  const materials: Material[] = [];
  await mkdir(join(root, 'var/lib/dpkg/status.d'), { recursive: true });
  for (const file of (await readdir(packages)).sort()) {
    const path = join(packages, file);
    const { stdout: control } = await run('dpkg-deb', ['--field', path]);
    const field = (name: string) => new RegExp(`^${name}: (.*)$`, 'm').exec(control)?.[1] ?? '';
    const [name, version] = [field('Package'), field('Version')];
    if (name in ONE_FILE) await unpackOne(path, ONE_FILE[name as keyof typeof ONE_FILE], name, root);
    else await run('dpkg-deb', ['--extract', path, root]);
    // Where scanners look for packages in an image without dpkg.
    await writeFile(join(root, 'var/lib/dpkg/status.d', name), control);
    const uri = `pkg:deb/debian/${encodeURIComponent(name)}@${encodeURIComponent(version)}?arch=${field('Architecture')}`;
    materials.push({ uri, sha256: sha256(await readFile(path)) });
  }
  await put(root, '/usr/local/bin/node', node, 0o755);
  await put(root, '/usr/local/share/doc/node/LICENSE', nodeLicense, 0o644);
  for (const [file, text] of Object.entries(USERS)) await appendFile(join(root, 'etc', file), text);
  return { arch, materials };
}

async function unpackOne(packed: string, file: string, name: string, root: string): Promise<void> {
  await using folder = await mkdtempDisposable(join(tmpdir(), 'spiffe-sds-deb-'));
  await run('dpkg-deb', ['--extract', packed, folder.path]);
  await put(root, file, join(folder.path, file), 0o755);
  const copyright = `/usr/share/doc/${name}/copyright`;
  await put(root, copyright, join(folder.path, copyright), 0o644);
}

async function put(root: string, target: string, source: string, mode: number): Promise<void> {
  const path = join(root, target);
  await mkdir(dirname(path), { recursive: true });
  await copyFile(source, path);
  await chmod(path, mode);
}
