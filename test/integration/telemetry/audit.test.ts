import { mkdir, mkdtemp, readFile, rename, rm, stat, symlink, unlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { Event, SecretVersion } from '../../../src/events.ts';
import type { AuditRecord } from '../../../src/telemetry/audit/audit-events.ts';
import { type Audit, BATCH_MS, openAudit } from '../../../src/telemetry/audit/audit-sink.ts';
import { ManualClock } from '../../support/clocks/manual-clock.ts';
import { eventually } from '../../support/eventually.ts';
import { firstOf, Program, textOf } from '../../support/sidecar/program.ts';
import { startRunning } from '../../support/sidecar/sidecar.ts';

const SINK = join(import.meta.dirname, '..', '..', '..', 'src', 'telemetry', 'audit', 'audit-sink.ts');
const CLOCK = join(import.meta.dirname, '..', '..', '..', 'src', 'clock.ts');
const MINUTE_MS = 60_000;
/** Of what may wait. */
const HALF = 4 * 1024 * 1024;

const denied: Event = { type: 'connection_refused', limit: 64, peer: { connection: 3 } };

let folder: string;
let path: string;
let told: Event[];
let clock: ManualClock;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'audit-'));
  path = join(folder, 'audit.log');
  told = [];
  clock = new ManualClock(0);
});
afterEach(() => rm(folder, { recursive: true }));

const options = () => ({ events: (event: Event) => told.push(event), clock });

/** A process that audits. */
const auditing = (target: unknown) => `
  const { openAudit } = await import(${JSON.stringify(SINK)});
  const { systemClock: clock } = await import(${JSON.stringify(CLOCK)});
  const told = [];
  const audit = await openAudit(${JSON.stringify(target)}, { clock, events: (event) => told.push(event) });
  let uid = 0;
  const deny = (count) => {
    // Each of another user: what one of them makes happen is bounded.
    for (let limit = 0; limit < count; limit++) {
      audit.hear({ type: 'connection_refused', limit, peer: { connection: 3, credentials: { uid: uid++, gid: 0, pid: 0 } } }, 0);
    }
  };`;

function recordsOf(text: string): readonly AuditRecord[] {
  return text
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line));
}

async function records(file = path): Promise<readonly AuditRecord[]> {
  return recordsOf(await readFile(file, 'utf8'));
}

describe('audit lines to stdout', () => {
  test('are all there when it is closed, and nothing else is', async () => {
    await using program = new Program(`${auditing('stdout')}
      deny(3);
      await audit.close();`);
    const lines = recordsOf(await textOf(program.stdout));
    expect(lines.map(({ event_type, metadata }) => [event_type, metadata['limit']])).toEqual([
      ['peer.denied', 0],
      ['peer.denied', 1],
      ['peer.denied', 2],
    ]);
  });

  test.for(['process.exit()', "throw new Error('a bug')"])('are all there when the process ends by %s', async (end) => {
    await using program = new Program(`${auditing('stdout')}
      deny(3);
      ${end};`);
    expect(recordsOf(await textOf(program.stdout))).toHaveLength(3);
  });

  test('that nobody reads take bounded memory and are counted, and closing ends', async () => {
    await using program = new Program(`${auditing('stdout')}
      for (let turn = 0; turn < 100; turn++) {
        deny(1_000);
        await new Promise(setImmediate);
      }
      const { arrayBuffers } = process.memoryUsage();
      await audit.close();
      process.stderr.write(JSON.stringify({ arrayBuffers, told }), () => process.exit());`);
    const { arrayBuffers, told: events } = JSON.parse(await textOf(program.stderr));
    expect(arrayBuffers).toBeLessThan(16 * 1024 * 1024);
    const [first, ...others] = events as readonly Event[];
    expect(first).toMatchObject({ type: 'audit_dropped' });
    // What was lost after that, and what was still waiting.
    expect(others.map(({ type }) => type)).toEqual(['audit_dropped', 'audit_failed']);
  });

  test('tell in their place how many are missing, when the reader comes back', async () => {
    await using program = new Program(`${auditing('stdout')}
      for (let turn = 0; turn < 100; turn++) {
        deny(1_000);
        await new Promise(setImmediate);
      }
      process.stderr.write('told');
      process.stdin.once('data', () => {
        deny(1);
        process.exit();
      });`);
    await firstOf(program.stderr);
    let text = '';
    let asked = false;
    program.stdout.setEncoding('utf8');
    for await (const chunk of program.stdout) {
      text += chunk;
      if (text.length > HALF && !asked) asked = program.stdin.write('go on');
    }
    const lines = recordsOf(text);
    const gaps = lines.filter(({ event_type }) => event_type === 'audit.dropped');
    const missing = gaps.reduce((sum, { metadata }) => sum + Number(metadata['lines']), 0);
    expect(lines.length - gaps.length + missing).toBe(100_001);
    expect(lines.slice(-2)).toMatchObject([{ event_type: 'audit.dropped' }, { event_type: 'peer.denied' }]);
  });
});

describe('audit lines to a file', () => {
  test('are added to what is there', async () => {
    await writeFile(path, '{}\n');
    const audit = await openAudit({ path }, options());
    audit.hear(denied, 0);
    await audit.close();
    expect(await records()).toMatchObject([{}, { event_type: 'peer.denied' }]);
  });

  test('do not grow without end by what one peer makes happen; how many were left out stands among them', async () => {
    let audit: Audit | undefined;
    const events = (event: Event) => audit?.hear(event, 0);
    audit = await openAudit({ path }, { events, clock });
    for (let n = 0; n < 100_000; n++) audit.hear(denied, 0);
    await audit.close();
    const lines = await records();
    expect(lines).toHaveLength(51);
    expect(lines.at(-1)).toMatchObject({ event_type: 'audit.omitted', actor: { connection: 3 }, metadata: { lines: 99_950 } });
  });

  test('are for the owner and the group to read', async () => {
    const audit = await openAudit({ path }, options());
    await audit.close();
    expect((await stat(path)).mode & 0o777).toBe(0o640 & ~process.umask());
  });

  test('are written soon, several at once', async () => {
    const audit = await openAudit({ path }, options());
    audit.hear(denied, 0);
    clock.advance(BATCH_MS);
    const written = await eventually('a line', async () => ((await records()).length === 1 ? true : undefined));
    expect(written).toBe(true);
    await audit.close();
  });

  test('go to a new file from SIGHUP on, when the old one was moved away', async () => {
    await using program = new Program(`${auditing({ path })}
      process.on('SIGHUP', () => {
        audit.reopen();
        process.stdout.write('again');
      });
      process.stdin.on('data', (count) => {
        deny(Number(count));
        process.stdout.write('told');
      });
      process.stdin.on('end', async () => {
        await audit.close();
        process.exit();
      });
      process.stdout.write('ready');`);
    await firstOf(program.stdout);
    program.stdin.write('2');
    await firstOf(program.stdout);
    await eventually('two lines', async () => ((await records()).length === 2 ? true : undefined));
    await rename(path, `${path}.1`);
    process.kill(program.pid, 'SIGHUP');
    await firstOf(program.stdout);
    await eventually('a new file', async () => (await stat(path)).size === 0 || undefined);
    program.stdin.end('3');
    expect(await program.ended()).toBe(0);
    expect([await records(`${path}.1`), await records()].map(({ length }) => length)).toEqual([2, 3]);
  });

  test('are all there when the process ends without closing', async () => {
    await using program = new Program(`${auditing({ path })}
      deny(3);
      await new Promise(setImmediate);
      deny(3);
      process.exit();`);
    await program.ended();
    expect(await records()).toHaveLength(6);
  });
});

describe('a file that cannot be written', () => {
  test('is reported with its path, the user, and what to do', async () => {
    const audit = await openAudit({ path: join(folder, 'none', 'audit.log') }, options());
    await audit.close();
    const reason = `cannot write audit lines to ${folder}/none/audit.log as uid ${process.getuid?.()}, gid ${process.getgid?.()}: ENOENT`;
    expect(told).toEqual([{ type: 'audit_failed', reason: expect.stringMatching(/: make its folder \(log\.audit\)$/) }]);
    expect(told).toEqual([expect.objectContaining({ reason: expect.stringContaining(reason) })]);
  });

  test('loses lines that should go there: they are counted, and reported at most once a minute', async () => {
    const audit = await openAudit({ path: folder }, options());
    const hear = (count: number) => {
      for (let n = 0; n < count; n++) audit.hear(denied, 0);
      clock.advance(BATCH_MS);
    };
    hear(3);
    hear(4);
    hear(5);
    clock.advance(MINUTE_MS);
    clock.advance(MINUTE_MS);
    await audit.close();
    expect(told.slice(1)).toEqual([
      { type: 'audit_dropped', lines: 3 },
      { type: 'audit_dropped', lines: 9 },
    ]);
  });

  test.runIf(process.platform === 'linux')('because the disk is full is told once, and closing ends', async () => {
    const audit = await openAudit({ path: '/dev/full' }, options());
    for (const _try of [1, 2]) {
      audit.hear(denied, 0);
      clock.advance(BATCH_MS);
    }
    await audit.close();
    expect(told).toEqual([
      { type: 'audit_failed', reason: expect.stringMatching(/ENOSPC.*: the disk is full: make room \(log\.audit\)$/) },
    ]);
  });

  test('because the disk was full is over when what waited is written', async () => {
    await using stack = new AsyncDisposableStack();
    // The file is the same, and its path leads to another disk.
    const link = join(folder, 'audit.log');
    await symlink('/dev/full', link);
    const audit = await openAudit({ path: link }, options());
    stack.defer(() => audit.close());
    audit.hear(denied, 0);
    clock.advance(BATCH_MS);
    await eventually('a failure', async () => told.length > 0 || undefined);
    await unlink(link);
    audit.reopen();
    await eventually('that it is over', async () => told.length > 1 || undefined);
    expect(told.map(({ type }) => type)).toEqual(['audit_failed', 'audit_recovered']);
    expect(await records(link)).toMatchObject([{ event_type: 'peer.denied' }]);
  });

  test('by its path is not over while lines go on to the file that was moved away', async () => {
    const own = join(folder, 'own');
    await mkdir(own);
    const audit = await openAudit({ path: join(own, 'audit.log') }, options());
    await rename(own, `${own}.1`);
    audit.reopen();
    await eventually('a failure', async () => told.length > 0 || undefined);
    audit.hear(denied, 0);
    await audit.close();
    expect(told.map(({ type }) => type)).toEqual(['audit_failed']);
    expect(await records(join(`${own}.1`, 'audit.log'))).toHaveLength(1);
  });

  test('is written once it can be, from SIGHUP on, and begins with what is missing', async () => {
    await using stack = new AsyncDisposableStack();
    const late = join(folder, 'late');
    const audit = await openAudit({ path: join(late, 'audit.log') }, options());
    stack.defer(() => audit.close());
    audit.hear(denied, 0);
    clock.advance(BATCH_MS);
    await mkdir(late);
    audit.reopen();
    await eventually('the file', () => stat(join(late, 'audit.log')));
    await eventually('that it is over', async () => told.some(({ type }) => type === 'audit_recovered') || undefined);
    expect(told.map(({ type }) => type)).toEqual(['audit_failed', 'audit_dropped', 'audit_recovered']);
    audit.hear(denied, 0);
    await audit.close();
    expect(await records(join(late, 'audit.log'))).toMatchObject([
      { event_type: 'audit.dropped', metadata: { lines: 1 } },
      { event_type: 'peer.denied' },
    ]);
  });
});

describe('audit records', () => {
  test('go to OTLP as values', async () => {
    const taken: AuditRecord[] = [];
    const audit = await openAudit('otlp', { ...options(), otlp: (record) => taken.push(record) });
    audit.hear(denied, 0);
    await audit.close();
    expect([taken, told]).toMatchObject([[{ event_type: 'peer.denied' }], []]);
  });

  test('that are to go to OTLP without an endpoint go nowhere, and that is reported', async () => {
    const audit = await openAudit('otlp', options());
    audit.hear(denied, 0);
    await audit.close();
    expect(told).toEqual([{ type: 'audit_failed', reason: expect.stringContaining('telemetry.otlp.endpoint') }]);
  });
});

test('what an Envoy gets, takes, and rejects with a key in its words is in the file, without the key', async () => {
  const audit = await openAudit({ path }, options());
  {
    await using running = await startRunning();
    const stream = running.client.stream();
    stream.request(['default']);
    await stream.accept();
    await running.event('secrets_accepted');
    await running.workloadApi.rotate();
    const key = 'MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgV1'.repeat(4);
    stream.nack(
      await stream.next(),
      `Failed to load private key: -----BEGIN PRIVATE KEY-----\n${key}\n-----END PRIVATE KEY-----`,
    );
    await running.event('secrets_rejected');
    await running.stop();
    for (const event of running.events) audit.hear(event, Date.now());
  }
  await audit.close();
  const lines = await records();
  const secrets = lines.filter(({ event_type }) => event_type.startsWith('secret.'));
  const [first, second] = new Set(secrets.map(({ resource }) => (resource as SecretVersion).version));
  expect(secrets.map(({ event_type, resource }) => [event_type, (resource as SecretVersion).version])).toEqual([
    ['secret.delivered', first],
    ['secret.accepted', first],
    ['secret.delivered', second],
    ['secret.rejected', second],
    // What it took before.
    ['secret.delivered', first],
  ]);
  expect(lines[0]).toMatchObject({ event_type: 'service.started' });
  expect(lines.at(-1)).toMatchObject({ event_type: 'service.stopped' });
  expect(await readFile(path, 'utf8')).not.toMatch(/BEGIN|MIGH|wEHBG/);
});
