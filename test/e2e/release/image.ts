/** The image for both architectures, as an OCI layout: what it holds, and each run as its configuration says. */
import { execFile } from 'node:child_process';
import { chmod, chown, mkdir, mkdtempDisposable, readFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { beforeAll, describe, expect, it } from 'vitest';
import { ROOT } from '../../support/documents/document.ts';
import { ImageLayout, type Platform, type UnpackedImage } from '../../support/release/image-layout.ts';
import { Child } from '../../support/sidecar/child.ts';

const run = promisify(execFile);
const MACHINE_CODE: Readonly<Record<Platform, RegExp>> = {
  amd64: /ELF 64-bit LSB .*x86-64/,
  arm64: /ELF 64-bit LSB .*ARM aarch64/,
};
const { devDependencies } = JSON.parse(await readFile(join(ROOT, 'package.json'), 'utf8'));

/** @param release the folder, once it is there */
export function imageChecks(release: () => string, version: string): void {
  describe('the image', () => {
    let layout: ImageLayout;
    let scratch: string;
    beforeAll(async () => {
      const folder = await mkdtempDisposable(join(tmpdir(), 'image-'));
      scratch = folder.path;
      // Its user has to get into it.
      await chmod(scratch, 0o755);
      await mkdir(join(scratch, 'layout'));
      layout = await ImageLayout.open(join(release(), `spiffe-sds-${version}.oci.tar`), join(scratch, 'layout'));
      return () => folder[Symbol.asyncDispose]();
    });

    it('is an OCI layout with an image for amd64 and one for arm64, each blob of the digest that it is named by', async () => {
      expect(await layout.version()).toEqual({ imageLayoutVersion: '1.0.0' });
      const platforms = (await layout.images()).map(({ platform }) => `${platform?.os}/${platform?.architecture}`);
      expect(platforms).toEqual(['linux/amd64', 'linux/arm64']);
      expect(await layout.altered()).toEqual([]);
    });

    describe.each<Platform>(['amd64', 'arm64'])('for %s', (platform) => {
      let image: UnpackedImage;
      beforeAll(async () => {
        image = await layout.unpack(platform, join(scratch, platform));
      });

      it('is configured as the Dockerfile says', async () => {
        const { User, Entrypoint, Cmd, Labels, Env } = image.config.config;
        const dockerfile = await readFile(join(ROOT, 'Dockerfile'), 'utf8');
        expect(dockerfile).toContain(`ENTRYPOINT ${JSON.stringify(Entrypoint).replaceAll(',', ', ')}`);
        expect({ User, Cmd }).toEqual({ User: '65532:65532', Cmd: ['serve'] });
        expect(Env).toContain('MALLOC_ARENA_MAX=1');
        expect(Labels).toMatchObject({ 'org.opencontainers.image.version': version });
      });

      it('has machine code of its architecture alone', async () => {
        const { stdout } = await run(
          'sh',
          ['-c', `find ${image.folder} -type f ! -name qemu -exec file --no-pad {} + | grep ELF`],
          {
            maxBuffer: 2 ** 24,
          },
        );
        const binaries = stdout.trim().split('\n');
        expect(binaries.filter((line) => !MACHINE_CODE[platform].test(line))).toEqual([]);
        for (const name of ['/usr/local/bin/node', '.node'])
          expect(binaries.some((line) => line.includes(`${name}: `))).toBe(true);
      });

      it('belongs to root but for the folder of the socket', async () => {
        const { stdout } = await run('find', [image.folder, '!', '-user', '0', '-printf', '%U:%G %P\n']);
        expect(stdout).toBe('65532:65532 run/spiffe-sds\n');
        const writable = await run('find', [image.folder, '!', '-type', 'l', '-perm', '-002', '!', '-perm', '-1000']);
        expect(writable.stdout).toBe('');
      });

      it('says its version, its Node and its architecture', async () => {
        const arch = { amd64: 'x64', arm64: 'arm64' }[platform];
        expect(await image.output(['--version'])).toBe(`spiffe-sds ${version} (Node v${devDependencies.node}, linux/${arch})\n`);
      });

      it('serves what a Workload API sends, to those it knows', async () => {
        const agent = join(image.folder, 'run', 'agent');
        await mkdir(agent);
        await chown(agent, 65532, 65532);
        const address = (folder: string) => `unix://${folder}/api.sock`;
        const cli = join(ROOT, 'src', 'cli', 'main.ts');
        const dev = ['dev', '--workload-api', address(agent), '--listen', `unix://${agent}/sds.sock`, '--admin', ''];
        await using workloadApi = new Child(process.execPath, [cli, ...dev]);
        await workloadApi.written(/Ctrl-C stops it/);
        await run('chown', ['65532:65532', join(agent, 'api.sock')]);
        const options = ['--log-level', 'debug', '--log-format', 'json', '--admin', 'unix:///run/spiffe-sds/admin.sock'];
        await using sidecar = image.start(['serve', ...options], { SPIFFE_ENDPOINT_SOCKET: address('/run/agent') });
        // By then it has loaded all of itself.
        await sidecar.written(/"event":"admin_listening"/);
        expect(await image.output(['get', 'default'])).toContain('leaf: spiffe://example.org/');
        // Machine code tells it.
        await sidecar.written(/"event":"stream_opened".*"uid":65532/);
        expect(await sidecar.stop()).toBe(0);
      });
    });
  });
}
