/** What `npm pack` makes, as its users get it: installed into an empty folder. */
import { execFile } from 'node:child_process';
import { mkdtempDisposable, readdir, readFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { delimiter, dirname, join } from 'node:path';
import { promisify } from 'node:util';
import { publint } from 'publint';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { SdsClient } from '../../support/sds/sds-client.ts';
import { Child } from '../../support/sidecar/child.ts';

const ROOT = join(import.meta.dirname, '..', '..', '..');
const LIMIT_MS = 300_000;
const run = promisify(execFile);

describe('the package', () => {
  const stack = new AsyncDisposableStack();
  afterAll(() => stack.disposeAsync());
  let tarball: string;
  let files: readonly string[];
  let installed: string;
  beforeAll(async () => {
    const packed = stack.use(await mkdtempDisposable(join(tmpdir(), 'package-'))).path;
    const { stdout } = await run('npm', ['pack', '--silent', '--json', '--pack-destination', packed], { cwd: ROOT });
    const [description] = JSON.parse(stdout.slice(stdout.indexOf('[\n')));
    tarball = join(packed, description.filename);
    files = description.files.map(({ path }: { readonly path: string }) => path);
    installed = stack.use(await mkdtempDisposable(join(tmpdir(), 'installed-'))).path;
    await run('npm', ['install', '--silent', '--no-audit', '--no-fund', '--prefer-offline', '--prefix', installed, tarball]);
  }, LIMIT_MS);

  it('holds the bundle, the licenses of what is in it, and what npm wants to show; nothing of the machine that made it', () => {
    const outside = files.filter((file) => !/^dist\/[\w-]+\.js$/.test(file));
    expect(outside.sort()).toEqual([
      'LICENSE',
      'README.md',
      'dist/LICENSES.txt',
      'dist/package.json',
      'dist/page/page.css',
      'dist/page/page.html',
      'dist/page/page.js',
      'package.json',
    ]);
  });

  it('is as publint wants it', async () => {
    const file = await readFile(tarball);
    const { messages } = await publint({ pack: { tarball: new Uint8Array(file).buffer }, strict: true });
    expect(messages).toEqual([]);
  });

  it('brings koffi, and no library that is in the bundle', async () => {
    const modules = (await readdir(join(installed, 'node_modules'))).filter((name) => !name.startsWith('.'));
    expect(modules.sort()).toEqual(['@koromix', 'koffi', 'spiffe-sds']);
    expect(await readdir(join(installed, 'node_modules', '@koromix'))).toEqual([`koffi-${process.platform}-${process.arch}`]);
  });

  it('serves, and knows its peers', async () => {
    const inherited = Object.entries(process.env).filter(([name]) => !/^(SPIFFE_|OTEL_|NODE_)/.test(name));
    const env = {
      ...Object.fromEntries(inherited),
      // Its first line asks the PATH for Node.
      PATH: [dirname(process.execPath), process.env['PATH']].join(delimiter),
      SPIFFE_SDS_LISTEN: `unix://${installed}/sds.sock`,
      SPIFFE_SDS_ADMIN: `unix://${installed}/admin.sock`,
    };
    const command = join(installed, 'node_modules', '.bin', 'spiffe-sds');
    await using dev = new Child(command, ['dev', '--log-level', 'debug', '--log-format', 'json'], env);
    await dev.written(/"event":"admin_listening"/);
    await using client = new SdsClient(join(installed, 'sds.sock'));
    await client.stream().request(['default']).accept();
    await dev.written(new RegExp(`"event":"stream_opened".*"peer":{"connection":1,"uid":${process.getuid?.()},`));
    expect(await dev.stop()).toBe(0);
  });
});
