/** The release's image, built by buildah and run by podman with nothing that it does not need. */
import { chmod, chown, mkdir, mkdtempDisposable, readFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { describeWithContainers } from '../../support/containers/describe.ts';
import { ContainerEngine, HARDENED, type Outcome, ROOT } from '../../support/containers/engine.ts';
import { buildImages, nodeImage, RELEASE_IMAGE } from '../../support/containers/stand-ins.ts';
import { eventually } from '../../support/eventually.ts';

const MAX_OVER_BASE_MB = 15;
const BUILD_LIMIT_MS = 300_000;
const SDS = 'container-test-sds';
const DEV = 'container-test-dev';
const WAITING = 'container-test-waiting';
const ON_SDS = `--volume=${SDS}:/run/spiffe-sds`;
const WITH_WORKLOAD_API = '--env=SPIFFE_ENDPOINT_SOCKET=unix:///run/spire/agent.sock';

describeWithContainers()('the image', () => {
  let engine: ContainerEngine;
  beforeAll(async () => {
    engine = await ContainerEngine.open();
    await buildImages(engine);
    await engine.tried('rm', '--force', '--time=0', DEV, WAITING);
    await engine.tried('volume', 'rm', '--force', SDS);
  }, BUILD_LIMIT_MS);
  afterAll(async () => {
    await engine.tried('rm', '--force', '--time=0', DEV, WAITING);
    await engine.tried('volume', 'rm', '--force', SDS);
  });

  /** Runs it to its end. */
  const run = (options: readonly string[], ...command: readonly string[]): Promise<Outcome> =>
    engine.tried('run', '--rm', ...HARDENED, ...options, RELEASE_IMAGE, ...command);
  /** Runs Node in it. */
  const node = async (script: string): Promise<unknown> =>
    JSON.parse((await run(['--entrypoint=node'], '--print', `JSON.stringify(${script})`)).stdout);

  it(`adds at most ${MAX_OVER_BASE_MB} MB to its base`, async () => {
    const over = ((await engine.size(RELEASE_IMAGE)) - (await engine.size(await nodeImage()))) / 1e6;
    expect(over).toBeLessThanOrEqual(MAX_OVER_BASE_MB);
  });

  it('takes commands: check prints the effective configuration', async () => {
    const { code, stdout } = await run([ON_SDS, '--env=SPIFFE_ENDPOINT_SOCKET=unix:///run/spire/api.sock'], 'check');
    expect(code).toBe(0);
    expect(stdout).toContain('listen: unix:///run/spiffe-sds/sds.sock');
  });

  it('is also on the PATH, for docker exec', async () => {
    const { stdout } = await run(['--entrypoint=spiffe-sds'], 'version');
    expect(stdout).toMatch(/^spiffe-sds \d/);
  });

  it('carries its version and license as labels', async () => {
    const { version, license } = JSON.parse(await readFile(join(ROOT, 'package.json'), 'utf8'));
    expect(await engine.label(RELEASE_IMAGE, 'org.opencontainers.image.version')).toBe(version);
    expect(await engine.label(RELEASE_IMAGE, 'org.opencontainers.image.licenses')).toBe(license);
    expect(await engine.label(RELEASE_IMAGE, 'org.opencontainers.image.base.name')).toBe(await nodeImage());
  });

  it('is run by a numeric user who cannot change the program', async () => {
    const user = await engine.podman('image', 'inspect', '--format', '{{ .Config.User }}', RELEASE_IMAGE);
    expect(user).toBe('65532:65532');
    const owners = `[...fs.readdirSync('/opt/spiffe-sds', { recursive: true })].map((f) => fs.statSync('/opt/spiffe-sds/' + f))
      .filter(({ uid, mode }) => uid !== 0 || (mode & 0o022) !== 0).length`;
    expect(await node(owners)).toBe(0);
  });

  it('uses the compile cache that was baked for that user', async () => {
    const { stdout, stderr } = await run(['--env=NODE_DEBUG_NATIVE=COMPILE_CACHE'], 'version');
    const told = [...`${stdout}${stderr}`.matchAll(/V8 code cache for \S+ file:\/\/\/opt\/spiffe-sds\/\S+ was (\w+)/g)];
    expect(new Set(told.map(([, verdict]) => verdict))).toEqual(new Set(['accepted']));
  });

  it('serves SDS read-only, without capabilities, and ends at SIGTERM as process 1', async () => {
    await engine.podman('run', '--detach', `--name=${DEV}`, ...HARDENED, ON_SDS, RELEASE_IMAGE, 'dev');
    const got = await eventually('the first secret', async () => {
      const { code, stdout } = await run([ON_SDS], 'get', 'default');
      return code === 0 ? stdout : undefined;
    });
    expect(got).toContain('leaf: spiffe://example.org/backend');
    expect((await engine.tried('healthcheck', 'run', DEV)).code).toBe(0);
    expect(await engine.podman('inspect', '--format', '{{ .EffectiveCaps }}', DEV)).toBe('[]');

    const stranger = await run([ON_SDS, '--user=1000:1000'], 'get', 'default');
    expect(stranger.code).toBe(1);
    expect(await inTroubleshooting(stranger.stderr)).toBe(true);

    await engine.podman('stop', '--time=10', DEV);
    expect(await engine.podman('wait', DEV)).toBe('0');
    await engine.podman('rm', DEV);
  });

  it('serves an Envoy of another user by the group of the volume, as fsGroup gives it to a pod', async () => {
    await using folder = await mkdtempDisposable(join(tmpdir(), 'container-test-'));
    await chmod(folder.path, 0o755);
    const sds = join(folder.path, 'sds');
    await mkdir(sds);
    await chown(sds, 0, 2000);
    await chmod(sds, 0o2770);
    const options = [`--volume=${sds}:/run/spiffe-sds`, '--group-add=2000'];
    await engine.podman('run', '--detach', '--rm', `--name=${DEV}`, ...HARDENED, ...options, RELEASE_IMAGE, 'dev');
    await eventually('the first secret', async () => {
      const { code } = await run(['--user=101:101', ...options], 'get', 'default');
      return code === 0 ? true : undefined;
    });
    await engine.podman('stop', '--time=10', DEV);
  });

  it('keeps asking where the Workload API is not mounted, says what is missing, and ends at SIGTERM with 0', async () => {
    await using sidecar = engine.attached(
      ...[
        'run',
        '--rm',
        `--name=${WAITING}`,
        ...HARDENED,
        ON_SDS,
        WITH_WORKLOAD_API,
        '--env=SPIFFE_SDS_LOG_FORMAT=text',
        RELEASE_IMAGE,
      ],
    );
    const [line] = await sidecar.written(/the Workload API cannot be reached.*/);
    expect(await inTroubleshooting(line)).toBe(true);
    expect((await engine.tried('healthcheck', 'run', WAITING)).code).not.toBe(0);
    expect(await sidecar.stop()).toBe(0);
  });

  it.each([
    ['nothing is configured', 2, /^spiffe-sds: no Workload API address: set SPIFFE_ENDPOINT_SOCKET/, []],
    ['no volume is mounted for the socket', 1, /EROFS.*mount a writable volume/, [WITH_WORKLOAD_API]],
  ])('says in one line what to change when %s', async (_case, code, message, options) => {
    const outcome = await run(options);
    expect(outcome).toMatchObject({ code, stdout: '' });
    expect(outcome.stderr.trimEnd().split('\n')).toHaveLength(1);
    expect(outcome.stderr).toMatch(message);
    expect(await inTroubleshooting(outcome.stderr)).toBe(true);
  });

  it.each([
    ['the user of the image', '65532:65532', 0o755],
    ['a foreign user', '1000:1000', 0o755],
  ])("says in one line what to change when the socket's folder belongs to root and it runs as %s", async (_case, user, mode) => {
    await using folder = await mkdtempDisposable(join(tmpdir(), 'container-test-'));
    const sds = join(folder.path, 'sds');
    await mkdir(sds);
    await chmod(sds, mode);
    const outcome = await run([`--user=${user}`, `--volume=${sds}:/run/spiffe-sds`, WITH_WORKLOAD_API]);
    expect(outcome).toMatchObject({ code: 1, stdout: '' });
    const [uid, gid] = user.split(':');
    const line = `spiffe-sds: cannot listen on unix:///run/spiffe-sds/sds.sock as uid ${uid}, gid ${gid}: EACCES`;
    expect(outcome.stderr).toContain(line);
    expect(outcome.stderr.trimEnd().split('\n')).toHaveLength(1);
    expect(await inTroubleshooting(outcome.stderr.replace(`uid ${uid}, gid ${gid}`, 'uid 65532, gid 65532'))).toBe(true);
  });
});

/** Word for word, but for a time before it. */
async function inTroubleshooting(line: string): Promise<boolean> {
  const page = await readFile(join(ROOT, 'docs', 'troubleshooting.md'), 'utf8');
  return page.includes(line.trim());
}
