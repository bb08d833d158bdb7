/** What another process of the same user sees of a sidecar, and what a SPIRE agent must see. Needs root, to become somebody else. */
import { spawnSync } from 'node:child_process';
import { chmod, chown, mkdir, mkdtempDisposable, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { Child } from '../../support/sidecar/child.ts';
import { TestWorkloadApi } from '../../support/workload-api/test-workload-api.ts';

const MAIN = join(import.meta.dirname, '..', '..', '..', 'src', 'cli', 'main.ts');
const ENV = Object.fromEntries(Object.entries(process.env).filter(([name]) => !/^(SPIFFE_|OTEL_|NODE_|NOTIFY_)/.test(name)));
const NOBODY = 65_534;
const SOMEBODY = 65_533;
const isRoot = process.getuid?.() === 0;

/** What a process of that user can read of another, as a program that has no capability tries. */
const LOOK = `
const fs = require('fs');
const [pid] = process.argv.slice(1);
const can = (act) => { try { act(); return true; } catch { return false; } };
const read = (name) => can(() => fs.readFileSync('/proc/' + pid + '/' + name));
console.log(JSON.stringify({
  mem: can(() => fs.openSync('/proc/' + pid + '/mem', 'r')),
  environ: read('environ'), maps: read('maps'), fd: can(() => fs.readdirSync('/proc/' + pid + '/fd')),
  exe: can(() => fs.readlinkSync('/proc/' + pid + '/exe')),
  status: read('status'), stat: read('stat'), cgroup: read('cgroup'), mountinfo: read('mountinfo'),
  owner: fs.statSync('/proc/' + pid).uid,
}));`;

function seenBy(uid: number, pid: number): Record<string, unknown> {
  const { stdout, stderr } = spawnSync(process.execPath, ['-e', LOOK, String(pid)], { uid, gid: uid, env: {}, encoding: 'utf8' });
  if (stdout === '') throw new Error(stderr);
  return JSON.parse(stdout) as Record<string, unknown>;
}

const FOR_AGENTS = { status: true, stat: true, cgroup: true, mountinfo: true, owner: NOBODY };
const SECRET = { mem: false, environ: false, maps: false, fd: false, exe: false };

async function withSidecar(dumpable: boolean, test: (pid: number) => void): Promise<void> {
  await using stack = new AsyncDisposableStack();
  const folder = stack.use(await mkdtempDisposable(join(tmpdir(), 'closed-'))).path;
  await chmod(folder, 0o755);
  const own = join(folder, 'run');
  await mkdir(own);
  await chown(own, NOBODY, NOBODY);
  const config = join(folder, 'config.yaml');
  await writeFile(config, `admin: { listen: "" }\nprocess: { dumpable: ${dumpable} }\n`);
  const api = stack.use(await TestWorkloadApi.start({ address: `unix://${join(folder, 'workload.sock')}`, rotateEveryMs: 0 }));
  const options = ['--config', config, '--listen', `unix://${join(own, 'sds.sock')}`, '--workload-api', api.address];
  // A process that changes its user becomes undumpable by that, until it executes another program: setpriv does.
  const asNobody = ['--reuid', String(NOBODY), '--regid', String(NOBODY), '--clear-groups', process.execPath];
  const child = stack.use(new Child('setpriv', [...asNobody, '--disable-sigusr1', MAIN, 'serve', ...options], ENV));
  await child.written(/"event":"svid_received"/);
  test(child.pid);
}

describe.skipIf(!isRoot)('another process', () => {
  test('of the same user sees nothing of its memory, and a SPIRE agent all that attests it', async () => {
    await withSidecar(false, (pid) => {
      expect(seenBy(NOBODY, pid)).toEqual({ ...SECRET, ...FOR_AGENTS });
      expect(seenBy(SOMEBODY, pid)).toEqual({ ...SECRET, ...FOR_AGENTS });
    });
  });

  test('of the same user sees all where process.dumpable is true; others see as much as before', async () => {
    await withSidecar(true, (pid) => {
      expect(seenBy(NOBODY, pid)).toEqual({ ...FOR_AGENTS, mem: true, environ: true, maps: true, fd: true, exe: true });
      expect(seenBy(SOMEBODY, pid)).toEqual({ ...SECRET, ...FOR_AGENTS });
    });
  });
});

describe('serve', () => {
  test.each([
    [['--inspect=0'], {}, '--inspect on the command line opens an inspector'],
    [['--heapsnapshot-signal=SIGUSR2'], {}, '--heapsnapshot-signal on the command line writes the heap'],
    [[], { NODE_OPTIONS: '--inspect=0 --report-on-signal' }, '--report-on-signal in NODE_OPTIONS writes a report'],
    [[], { NODE_DEBUG: 'http2' }, 'NODE_DEBUG writes what is sent'],
  ])('does not start with %j %j', (flags, env, sentence) => {
    const { status, stderr } = spawnSync(process.execPath, [...flags, MAIN, 'serve'], {
      env: { ...ENV, ...env },
      encoding: 'utf8',
    });
    expect(stderr).toContain(sentence);
    expect(status).toBe(2);
  });
});
