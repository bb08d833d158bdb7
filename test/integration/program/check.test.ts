/** `spiffe-sds check` as people run it: it refuses what `serve` would refuse, and says what is legal and unwise. */
import { execFile } from 'node:child_process';
import { chmod, chown, mkdir, mkdtempDisposable, readdir, symlink, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';

const MAIN = join(import.meta.dirname, '..', '..', '..', 'src', 'cli', 'main.ts');
const ENV = Object.fromEntries(Object.entries(process.env).filter(([name]) => !/^(SPIFFE_|OTEL_|NODE_OPTIONS)/.test(name)));
/** What is not refused would be served for ever. */
const LIMIT_MS = 20_000;
const PROCESSES_MS = 2 * LIMIT_MS;
const isRoot = process.getuid?.() === 0;

const parts = new AsyncDisposableStack();
afterAll(() => parts.disposeAsync());

let root: string;
let folder: string;
beforeAll(async () => {
  root = parts.use(await mkdtempDisposable(join(tmpdir(), 'check-'))).path;
});
let tests = 0;
beforeEach(async () => {
  tests += 1;
  folder = join(root, String(tests));
  await mkdir(folder);
});

interface Outcome {
  readonly code: number | string | null | undefined;
  readonly stdout: string;
  readonly stderr: string;
}

function run(args: readonly string[], env: NodeJS.ProcessEnv): Promise<Outcome> {
  return new Promise((resolve) => {
    execFile(process.execPath, [MAIN, ...args], { env: { ...ENV, ...env }, timeout: LIMIT_MS }, (error, stdout, stderr) =>
      resolve({ code: error === null ? 0 : error.code, stdout, stderr }),
    );
  });
}

interface Machine {
  /** The folder of the socket and of the file. */
  readonly folder: string;
}

/** What a bad configuration is made of; everything else is good. */
interface Bad {
  readonly file?: string | ((machine: Machine) => string);
  readonly env?: (machine: Machine) => NodeJS.ProcessEnv;
  readonly prepare?: (machine: Machine) => Promise<unknown>;
  /** Default: that in the folder. */
  readonly config?: (machine: Machine) => string;
}

const listenAt = (path: string) => (machine: Machine) => ({ SPIFFE_SDS_LISTEN: `unix://${machine.folder}/${path}` });
const FOREIGN_UID = 54_321;

const REFUSED: readonly (readonly [what: string, code: 1 | 2, says: RegExp, Bad])[] = [
  ['no address of the Workload API', 2, /SPIFFE_ENDPOINT_SOCKET/, { env: () => ({ SPIFFE_ENDPOINT_SOCKET: '' }) }],
  ['an address that is a path', 2, /unix:\/\/\/run\/x/, { env: () => ({ SPIFFE_ENDPOINT_SOCKET: '/run/x' }) }],
  ['a group that is not there', 2, /nobody-has-this-name/, { file: 'sds: { group: nobody-has-this-name }' }],
  ['secrets over TCP', 2, /TCP/, { env: () => ({ SPIFFE_SDS_LISTEN: 'tcp://127.0.0.1:80' }) }],
  ['a path that is too long', 2, /107/, { env: listenAt('x'.repeat(120)) }],
  [
    'a folder where the socket is to be',
    1,
    /not a socket is there/,
    { prepare: ({ folder }) => mkdir(join(folder, 'sds.sock')) },
  ],
  [
    'a file where the socket is to be',
    1,
    /not a socket is there/,
    { prepare: ({ folder }) => writeFile(join(folder, 'sds.sock'), '') },
  ],
  [
    'a link where the socket is to be',
    1,
    /symbolic link is there/,
    { prepare: ({ folder }) => symlink('/nowhere', join(folder, 'sds.sock')) },
  ],
  ['no folder for the socket, nor one above it', 1, /nor is .*: make it/, { env: listenAt('none/none/sds.sock') }],
  [
    'a file in the path of the socket',
    1,
    /not a folder/,
    { prepare: ({ folder }) => writeFile(join(folder, 'file'), ''), env: listenAt('file/sds.sock') },
  ],
  ['no configuration file', 2, /cannot read the configuration file/, { config: ({ folder }) => join(folder, 'none.yaml') }],
  ['a folder as the configuration file', 2, /cannot read the configuration file/, { config: ({ folder }) => folder }],
  ['what is no YAML', 2, /config\.yaml/, { file: 'sds: {' }],
  ['an unknown key', 2, /config\.yaml:1:8: .*listen/, { file: 'sds: { lisen: x }' }],
  ['a value of the wrong kind', 2, /sds\.limits\.connections/, { file: 'sds: { limits: { connections: many } }' }],
  ['a rule without whom it is for', 2, /uid, gid or both/, { file: 'sds: { allow: [{ names: [default] }] }' }],
  ['a name twice', 2, /ROOTCA/, { file: 'names: { default_svid: ROOTCA }' }],
  ['a name that would be an SVID', 2, /default_svid/, { file: 'names: { default_svid: "spiffe://example.org/web" }' }],
  [
    'trust domains that could mint for each other',
    2,
    /unsafe_merge/,
    { file: 'secrets: [{ name: a, validation: { mode: trusted_ca, trust_domains: [a.test, b.test] } }]' },
  ],
  [
    'a regular expression that Envoy refuses',
    2,
    /regex/,
    { file: 'secrets: [{ name: a, validation: { match: [{ regex: "(?=a)" }] } }]' },
  ],
  ['an admin API for everybody', 2, /admin\.remote/, { file: 'admin: { listen: "0.0.0.0:8082" }' }],
  ['node mode without a broker', 2, /broker\.address/, { file: 'mode: node' }],
  ['a flag that does not exist', 2, /--listne/, {}],
  ['options of Node that show keys', 2, /private keys/, { env: () => ({ NODE_OPTIONS: '--heapsnapshot-signal=SIGUSR2' }) }],
];

describe('check refuses what serve refuses, with the same code and in the same words', () => {
  test.each(REFUSED)(
    '%s',
    async (what, code, says, { file = '', env = () => ({}), prepare, config }) => {
      const machine = { folder };
      await writeFile(join(folder, 'config.yaml'), typeof file === 'string' ? file : file(machine));
      await prepare?.(machine);
      const before = await readdir(folder, { recursive: true });
      const flags = ['--config', config?.(machine) ?? join(folder, 'config.yaml')];
      const wrong = what.startsWith('a flag') ? ['--listne', 'x'] : [];
      const outcomes = await Promise.all(
        ['serve', 'check'].map((command) =>
          run([command, ...flags, ...wrong], {
            SPIFFE_ENDPOINT_SOCKET: 'unix:///run/agent.sock',
            SPIFFE_SDS_LISTEN: `unix://${folder}/sds.sock`,
            ...env(machine),
          }),
        ),
      );
      const expected = { code, stdout: '', stderr: expect.stringMatching(says) };
      expect(outcomes).toEqual([expected, expected]);
      const [serve, check] = outcomes;
      expect(check?.stderr).toBe(serve?.stderr);
      expect(await readdir(folder, { recursive: true })).toEqual(before);
    },
    PROCESSES_MS,
  );

  test.runIf(isRoot)('a folder that is not there, in one of another user', { timeout: PROCESSES_MS }, async () => {
    await chown(folder, FOREIGN_UID, FOREIGN_UID);
    const env = { SPIFFE_ENDPOINT_SOCKET: 'unix:///run/agent.sock', ...listenAt('none/sds.sock')({ folder }) };
    const [serve, check] = await Promise.all(['serve', 'check'].map((command) => run([command], env)));
    expect(check).toEqual(serve);
    expect(check).toMatchObject({ code: 1, stderr: expect.stringContaining(`belongs to uid ${FOREIGN_UID}`) });
  });
});

/** With an SDS socket of the test's own. */
function check(args: readonly string[] = [], env: NodeJS.ProcessEnv = {}): Promise<Outcome> {
  return run(['check', ...args], {
    SPIFFE_ENDPOINT_SOCKET: 'unix:///run/agent.sock',
    SPIFFE_SDS_LISTEN: `unix://${folder}/sds.sock`,
    ...env,
  });
}

async function checkFile(text: string): Promise<Outcome> {
  const file = join(folder, 'config.yaml');
  await writeFile(file, text);
  return check(['--config', file]);
}

describe('check prints what is in force and where each value came from', () => {
  test('from flags, the environment and defaults', async () => {
    const { code, stdout, stderr } = await check(['--log-level', 'warn']);
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    expect(stdout).toMatch(/address: unix:\/\/\/run\/agent\.sock\s+# environment SPIFFE_ENDPOINT_SOCKET/);
    expect(stdout).toMatch(/level: warn\s+# flag --log-level/);
    expect(stdout).toMatch(/format: json\s+# default/);
  });

  test('takes the admin API from a flag or the environment, without a file', async () => {
    const env = { SPIFFE_SDS_ADMIN: '127.0.0.1:9000' };
    expect((await check([], env)).stdout).toMatch(/listen: 127\.0\.0\.1:9000\s+# environment SPIFFE_SDS_ADMIN/);
    expect((await check(['--admin', 'unix:///run/admin.sock'], env)).stdout).toMatch(
      /listen: unix:\/\/\/run\/admin\.sock\s+# flag --admin/,
    );
  });
});

describe('check warns of what is legal and unwise, and takes it', () => {
  test.each([
    ['validation.unsafe_merge', 'validation: { mode: trusted_ca, unsafe_merge: true }'],
    ['sds.mode', 'sds: { mode: "0666" }'],
    ['admin.remote', 'admin: { listen: "10.0.0.1:8082", remote: true }'],
    ['sds.allow[1] is never used', 'sds: { allow: [{ uid: [0] }, { uid: [0], names: [default] }] }'],
    ['names.on_demand', 'names: { on_demand: ["*"] }'],
    ['log.audit', 'log: { audit: /nowhere/audit.log }'],
  ])('%s', async (key, text) => {
    const { code, stdout, stderr } = await checkFile(text);
    expect({ code, stderr }).toEqual({ code: 0, stderr: expect.stringMatching(/^warning: .*\n$/) });
    expect(stderr).toContain(key);
    expect(stdout).toContain('workload_api:');
  });

  test('a folder in which everybody may put another socket', async () => {
    await chmod(folder, 0o777);
    expect(await check()).toMatchObject({ code: 0, stderr: expect.stringContaining(`chmod o-w ${folder}`) });
  });

  test('a sidecar that runs there: it is the one that is to be replaced, as a rule', async () => {
    const server = createServer().listen(join(folder, 'sds.sock'));
    try {
      expect(await check()).toMatchObject({ code: 0, stderr: expect.stringContaining('a process answers at') });
    } finally {
      server.close();
    }
  });
});
