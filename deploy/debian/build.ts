/**
 * `npm run deb`: a Debian package of what is in dist/, for this architecture: Node's own binary, the bundle, unit, man page and completion. It
 * depends on libc alone. Prints its path.
 */
import { execFile } from 'node:child_process';
import { chmod, copyFile, cp, mkdir, mkdtempDisposable, readFile, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';
import { gzipSync } from 'node:zlib';

const run = promisify(execFile);
const ROOT = join(import.meta.dirname, '..', '..');
const ARCHITECTURES: Readonly<Record<string, string>> = { x64: 'amd64', arm64: 'arm64' };
const LIBRARY = 'usr/lib/spiffe-sds';

const COMMAND = `#!/bin/sh
exec /${LIBRARY}/node --disable-sigusr1 --max-semi-space-size=2 /${LIBRARY}/main.js "$@"
`;
const USER = 'u spiffe-sds - "SPIFFE identities for Envoy"\n';
/** systemd-sysusers(8) is there wherever systemd is; a container may have neither. */
const AFTER_INSTALL = `#!/bin/sh
set -e
if [ "$1" = configure ]; then
  if command -v systemd-sysusers >/dev/null; then
    systemd-sysusers spiffe-sds.conf
  elif ! id spiffe-sds >/dev/null 2>&1; then
    useradd --system --user-group --no-create-home --home-dir /nonexistent --shell /usr/sbin/nologin spiffe-sds
  fi
  if [ -d /run/systemd/system ]; then
    systemctl daemon-reload
    # Not started: nothing says yet where the Workload API is. One that runs already is replaced.
    systemctl try-restart spiffe-sds.service
  fi
fi
`;
const BEFORE_REMOVAL = `#!/bin/sh
set -e
if [ "$1" = remove ] && [ -d /run/systemd/system ]; then systemctl disable --now spiffe-sds.service || true; fi
`;

/** What goes into a package: by default what `npm run build` made here, and the Node that runs this. */
export interface Contents {
  /** As Node says it: `x64`, `arm64`. */
  readonly arch: string;
  /** A folder like dist/, with koffi's machine code for that architecture. */
  readonly dist: string;
  /** Node's binary. */
  readonly node: string;
  /** The text of Node's license. */
  readonly nodeLicense: string;
}

const HERE: Contents = {
  arch: process.arch,
  dist: join(ROOT, 'dist'),
  node: process.execPath,
  nodeLicense: join(ROOT, 'node_modules', 'node', 'node_modules', `node-linux-${process.arch}`, 'LICENSE'),
};

/**
 * @param folder where the package goes
 * @returns its path; with SOURCE_DATE_EPOCH set, the same contents make the same package
 * @throws when dist/ is not there, or dpkg-deb
 */
export async function buildDebianPackage(folder: string, { arch, dist, node, nodeLicense }: Contents = HERE): Promise<string> {
  const { version, description, license } = JSON.parse(await readFile(join(ROOT, 'package.json'), 'utf8'));
  const architecture = ARCHITECTURES[arch] ?? arch;
  await using root = await mkdtempDisposable(join(tmpdir(), 'spiffe-sds-deb-'));
  const at = (path: string) => join(root.path, path);
  const put = async (path: string, content: string | Buffer, mode = 0o644) => {
    await mkdir(dirname(at(path)), { recursive: true, mode: 0o755 });
    await writeFile(at(path), content);
    await chmod(at(path), mode);
  };
  const own = (file: string) => readFile(join(import.meta.dirname, file));
  // Without the compiled code, which is of the user who built it; root's commands would add to it what dpkg does not know.
  const filter = (path: string) => !path.endsWith('.compile-cache');
  await cp(dist, at(LIBRARY), { recursive: true, filter });
  await copyFile(node, at(`${LIBRARY}/node`));
  await chmod(at(`${LIBRARY}/node`), 0o755);
  const { stdout: completion } = await run(process.execPath, [join(dist, 'main.js'), 'completion', 'bash']);
  await put('usr/bin/spiffe-sds', COMMAND, 0o755);
  await put('lib/systemd/system/spiffe-sds.service', await own('spiffe-sds.service'));
  await put('usr/lib/sysusers.d/spiffe-sds.conf', USER);
  await put('usr/share/man/man8/spiffe-sds.8.gz', gzipSync(await own('spiffe-sds.8'), { level: 9 }));
  await put('usr/share/bash-completion/completions/spiffe-sds', completion);
  await put('usr/share/doc/spiffe-sds/copyright', `License: ${license}\n\n${await readFile(join(ROOT, 'LICENSE'), 'utf8')}`);
  await put('usr/share/doc/spiffe-sds/node-license.txt', await readFile(nodeLicense));
  await put('etc/spiffe-sds/spiffe-sds.yaml', await own('spiffe-sds.yaml'));
  await put('DEBIAN/conffiles', '/etc/spiffe-sds/spiffe-sds.yaml\n');
  await put('DEBIAN/postinst', AFTER_INSTALL, 0o755);
  await put('DEBIAN/prerm', BEFORE_REMOVAL, 0o755);
  const control = {
    Package: 'spiffe-sds',
    Version: version,
    Architecture: architecture,
    Maintainer: 'spiffe-sds <maintainers@spiffe-sds.invalid>',
    Depends: 'libc6 (>= 2.28), libstdc++6, passwd',
    Section: 'net',
    Priority: 'optional',
    Description: description,
  };
  await put(
    'DEBIAN/control',
    `${Object.entries(control)
      .map(([key, value]) => `${key}: ${value}`)
      .join('\n')}\n`,
  );
  // Whoever builds has another umask; nobody but root may change what is installed.
  await run('chmod', ['-R', 'u+rwX,go+rX,go-w', root.path]);
  const file = join(folder, `spiffe-sds_${version}_${architecture}.deb`);
  await mkdir(folder, { recursive: true });
  // 1 % larger than -z9, in a third of the time.
  await run('dpkg-deb', ['--root-owner-group', '-Zgzip', '-z6', '--build', root.path, file]);
  return file;
}

if (import.meta.main) {
  buildDebianPackage(join(ROOT, 'dist-packages')).then(console.log, (thrown: unknown) => {
    console.error(thrown instanceof Error ? thrown.message : thrown);
    process.exitCode = 1;
  });
}
