/** The package for npm, as its users get it: installed into an empty folder. */
import { execFile } from 'node:child_process';
import { mkdtempDisposable, readdir, readFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { delimiter, dirname, join } from 'node:path';
import { promisify } from 'node:util';
import { publint } from 'publint';
import { beforeAll, describe, expect, it } from 'vitest';
import { SdsClient } from '../../support/sds/sds-client.ts';
import { Child } from '../../support/sidecar/child.ts';

const LIMIT_MS = 120_000;
const run = promisify(execFile);

/** @param release the folder, once it is there */
export function npmChecks(release: () => string, version: string): void {
  describe('the package for npm', () => {
    const tarball = () => join(release(), `spiffe-sds-${version}.tgz`);
    let installed: string;
    const inherited = Object.entries(process.env).filter(([name]) => !/^(SPIFFE_|OTEL_|NODE_|npm_)/.test(name));
    // Its first line asks the PATH for Node.
    const env = {
      ...Object.fromEntries(inherited),
      PATH: [dirname(process.execPath), process.env['PATH']].join(delimiter),
    };
    beforeAll(async () => {
      const folder = await mkdtempDisposable(join(tmpdir(), 'installed-'));
      installed = folder.path;
      const options = ['--silent', '--no-audit', '--no-fund', '--prefer-offline'];
      await run('npm', ['install', ...options, tarball()], { cwd: installed, env });
      return () => folder[Symbol.asyncDispose]();
    }, LIMIT_MS);

    it('holds the bundle, the licenses of what is in it, and what npm wants to show; nothing of the machine that made it', async () => {
      const { stdout } = await run('tar', ['-tzf', tarball()]);
      const files = stdout.trim().split('\n');
      const outside = files.filter((file) => !/^package\/dist\/[\w-]+\.js$/.test(file));
      expect(outside.map((file) => file.replace('package/', '')).sort()).toEqual([
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
      const file = await readFile(tarball());
      const { messages } = await publint({ pack: { tarball: new Uint8Array(file).buffer }, strict: true });
      expect(messages).toEqual([]);
    });

    it('brings koffi, and no library that is in the bundle', async () => {
      const modules = (await readdir(join(installed, 'node_modules'))).filter((name) => !name.startsWith('.'));
      expect(modules.sort()).toEqual(['@koromix', 'koffi', 'spiffe-sds']);
      expect(await readdir(join(installed, 'node_modules', '@koromix'))).toEqual([`koffi-${process.platform}-${process.arch}`]);
    });

    it('is run by npx', async () => {
      const { stdout } = await run('npx', ['--no-install', 'spiffe-sds', '--version'], { cwd: installed, env });
      expect(stdout).toContain(`spiffe-sds ${version} (Node ${process.version}, `);
    });

    it('serves, and knows its peers', async () => {
      const sockets = {
        SPIFFE_SDS_LISTEN: `unix://${installed}/sds.sock`,
        SPIFFE_SDS_ADMIN: `unix://${installed}/admin.sock`,
      };
      const command = join(installed, 'node_modules', '.bin', 'spiffe-sds');
      await using dev = new Child(command, ['dev', '--log-level', 'debug', '--log-format', 'json'], { ...env, ...sockets });
      await dev.written(/"event":"admin_listening"/);
      await using client = new SdsClient(join(installed, 'sds.sock'));
      await client.stream().request(['default']).accept();
      await dev.written(new RegExp(`"event":"stream_opened".*"peer":{"connection":1,"uid":${process.getuid?.()},`));
      expect(await dev.stop()).toBe(0);
    });
  });
}
