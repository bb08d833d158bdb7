/**
 * The image for all architectures, as an OCI image layout in one archive: the last stage of the Dockerfile, on a root of Debian's packages
 * instead of the base image of its name, which a registry would have to give. buildah (1.28 or newer, as root) makes it; nothing of it is run.
 */
import { execFile } from 'node:child_process';
import { chmod, cp, mkdir, mkdtempDisposable, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import type { ReleaseContents } from './contents.ts';
import { DEBIAN_NAMES, type DebianPackages } from './debian-root.ts';
import type { Material } from './papers.ts';

const run = promisify(execFile);
const BASE_DOCKERFILE = `FROM scratch
COPY root /
ENV PATH=/usr/local/bin:/usr/bin
`;

export interface ImageOptions {
  /** Of the checkout. */
  readonly root: string;
  readonly version: string;
  readonly revision: string;
  /** Seconds since 1970: the time of every file in it. */
  readonly epoch: number;
  readonly packages: DebianPackages;
}

/**
 * @param file the archive
 * @returns the packages that are in it beside what is ours
 * @throws when there is no buildah
 */
export async function buildImageLayout(
  file: string,
  all: readonly ReleaseContents[],
  { root, version, revision, epoch, packages }: ImageOptions,
): Promise<readonly Material[]> {
  await using scratch = await mkdtempDisposable(join(tmpdir(), 'spiffe-sds-image-'));
  const at = (...path: readonly string[]) => join(scratch.path, ...path);
  const storage = ['--root', at('storage'), '--runroot', at('run'), '--storage-driver', 'vfs'];
  const buildah = (...args: readonly string[]) => run('buildah', [...storage, ...args], { maxBuffer: 2 ** 26 });
  const build = (arch: string, ...args: readonly string[]) =>
    buildah('bud', '--isolation=chroot', '--format=oci', '--pull-never', `--timestamp=${epoch}`, `--arch=${arch}`, ...args);
  const materials: Material[] = [];
  for (const contents of all) {
    const arch = DEBIAN_NAMES[contents.arch];
    const base = `localhost/debian-node-${arch}:${version}`;
    materials.push(...(await packages.unpack(contents, at(arch, 'root'))).materials);
    await writeFile(at(arch, 'Dockerfile'), BASE_DOCKERFILE);
    await build(arch, `--tag=${base}`, at(arch));
    await stageBefore(at(arch, 'build'), contents);
    const values = { NODE: base, VERSION: version, REVISION: revision };
    await build(
      arch,
      ...Object.entries(values).map(([name, value]) => `--build-arg=${name}=${value}`),
      `--build-context=build=${at(arch, 'build')}`,
      '--manifest=release',
      root,
    );
  }
  await buildah('manifest', 'push', '--all', 'release', `oci:${at('layout')}:${version}`);
  const tar = ['--sort=name', `--mtime=@${epoch}`, '--owner=0', '--group=0', '--numeric-owner', '--mode=u+rwX,go+rX,go-w'];
  await run('tar', [...tar, '-cf', file, '-C', at('layout'), 'oci-layout', 'index.json', 'blobs']);
  return materials;
}

/** What the Dockerfile's first stage leaves to the last one. */
async function stageBefore(folder: string, { dist }: ReleaseContents): Promise<void> {
  const source = join(folder, 'src');
  await mkdir(join(source, 'root', 'run', 'spiffe-sds'), { recursive: true });
  await mkdir(join(source, 'root', 'bin'), { recursive: true });
  await symlink('/opt/spiffe-sds/main.js', join(source, 'root', 'bin', 'spiffe-sds'));
  await cp(dist, join(source, 'dist'), { recursive: true });
  await run('chmod', ['-R', 'u+rwX,go+rX,go-w', source]);
  await chmod(folder, 0o755);
}
