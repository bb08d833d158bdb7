import { mkdirSync, mkdtempSync, readFileSync, renameSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { Clock } from '../../../src/clock.ts';
import type { ConfigurationChanges } from '../../../src/config/changes.ts';
import { loadConfiguration } from '../../../src/config/load.ts';
import { ConfigurationWatch } from '../../../src/config/reload.ts';
import { type ErrorCode, SpiffeSdsError } from '../../../src/error.ts';

const UNCHANGED: ConfigurationChanges = { live: [], needRestart: [] };
const LEVEL: ConfigurationChanges = { live: ['log.level'], needRestart: [] };

/** A clock with one timer, which fires when the test says so. */
class HeldClock implements Clock {
  #timer = Promise.withResolvers<() => void>();
  set = false;

  now(): number {
    return 0;
  }

  monotonic(): number {
    return 0;
  }

  after(_: number, callback: () => void): () => void {
    this.#timer.resolve(callback);
    this.set = true;
    return () => this.#reset();
  }

  /** Waits until the timer is set, and fires it after `meanwhile`. */
  async fire(meanwhile?: () => void): Promise<void> {
    const callback = await this.#timer.promise;
    meanwhile?.();
    this.#reset();
    callback();
  }

  #reset(): void {
    this.#timer = Promise.withResolvers();
    this.set = false;
  }
}

let folder: string;
let path: string;
let clock: HeldClock;
let watch: ConfigurationWatch | undefined;
/** What was told and not yet looked at: changes, or the code of a problem. */
let told: (ConfigurationChanges | ErrorCode)[];

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'spiffe-sds-'));
  path = join(folder, 'x.yaml');
  clock = new HeldClock();
  told = [];
});

afterEach(() => {
  watch?.stop();
  rmSync(folder, { recursive: true });
});

function load() {
  return loadConfiguration({ flags: { config: path }, env: {}, readFile: (name) => readFileSync(name, 'utf8') });
}

function follow(): ConfigurationWatch {
  watch = new ConfigurationWatch({
    path,
    running: load().configuration,
    clock,
    load,
    onChange: (_, changes) => told.push(changes),
    onProblem: (error) => told.push((error as SpiffeSdsError).code),
  });
  return watch;
}

/** A watch of a file with this content. */
function followed(text = ''): ConfigurationWatch {
  writeFileSync(path, text);
  const following = follow();
  following.start();
  return following;
}

/** Waits until something is told, and hands it out. */
async function next(): Promise<readonly (ConfigurationChanges | ErrorCode)[]> {
  while (told.length === 0) await clock.fire();
  return told.splice(0);
}

describe('a change of the configuration file is told', () => {
  test('when it is written in place', async () => {
    followed();
    writeFileSync(path, 'log: { level: debug }');
    expect(await next()).toEqual([LEVEL]);
  });

  test('when another file is put in its place', async () => {
    followed();
    writeFileSync(join(folder, 'x.yaml~'), 'log: { level: debug }');
    renameSync(join(folder, 'x.yaml~'), path);
    expect(await next()).toEqual([LEVEL]);
  });

  test('when Kubernetes swaps the symbolic link of a ConfigMap', async () => {
    const version = (name: string, text: string) => {
      mkdirSync(join(folder, name));
      writeFileSync(join(folder, name, 'x.yaml'), text);
      symlinkSync(name, join(folder, '..data_tmp'));
      renameSync(join(folder, '..data_tmp'), join(folder, '..data'));
    };
    version('..1', '');
    symlinkSync('..data/x.yaml', path);
    follow().start();

    version('..2', 'log: { level: debug }');
    rmSync(join(folder, '..1'), { recursive: true });
    expect(await next()).toEqual([LEVEL]);
  });

  test('when it was made before the watch began', () => {
    writeFileSync(path, '');
    const following = follow();
    writeFileSync(path, 'log: { level: debug }');
    following.start();
    expect(told).toEqual([LEVEL]);
  });

  test('with what changed since the last one', async () => {
    followed();
    writeFileSync(path, 'log: { level: debug }');
    await next();
    writeFileSync(path, 'log: { level: debug }\nvalidation: { crl: false }');
    expect(await next()).toEqual([{ live: ['validation.crl'], needRestart: [] }]);
  });

  test('with all that waits for a restart', async () => {
    followed();
    writeFileSync(path, 'sds: { mode: "0600" }');
    await next();
    writeFileSync(path, 'sds: { mode: "0600" }\nlog: { level: debug }');
    expect(await next()).toEqual([{ live: ['log.level'], needRestart: ['sds.mode'] }]);
  });

  test('once the file stands still, and not half of it', async () => {
    followed();
    writeFileSync(path, 'log: { level: de');
    await clock.fire(() => writeFileSync(path, 'log: { level: debug }'));
    const halfway = told.splice(0);
    expect([halfway, await next()]).toEqual([[], [LEVEL]]);
  });
});

describe('nothing is told', () => {
  test('when the watch begins and nothing changed', () => {
    followed();
    expect(told).toEqual([]);
  });

  test('of a file that is written again as it was', async () => {
    followed('log: { level: info }');
    writeFileSync(path, 'log: { level: info }');
    await clock.fire();
    expect(told).toEqual([]);
  });

  test('of other files in the folder', async () => {
    followed();
    writeFileSync(join(folder, 'other.yaml'), 'log: { level: debug }');
    await clock.fire();
    expect(told).toEqual([]);
  });

  test('after the watch has stopped', async () => {
    const following = followed();
    writeFileSync(path, 'log: { level: debug }');
    await clock.fire(() => writeFileSync(path, 'log: { level: warn }'));
    following.stop();
    expect(clock.set).toBe(false);
  });
});

describe('a file that cannot be used', () => {
  test('is told once for each content', async () => {
    followed();
    writeFileSync(path, 'log: { level: loud }');
    const first = await next();
    writeFileSync(path, 'log: { level: loud }');
    await clock.fire();
    writeFileSync(path, 'log: { level: louder }');
    expect([first, await next()]).toEqual([['config_invalid'], ['config_invalid']]);
  });

  test('changes nothing: what comes after is compared with what is in force', async () => {
    followed('validation: { crl: false }');
    writeFileSync(path, 'validation: { crl: maybe }');
    await next();
    writeFileSync(path, 'validation: { crl: false }\nlog: { level: debug }');
    expect(await next()).toEqual([LEVEL]);
  });

  test('is told to be good again when it is as before', async () => {
    followed();
    writeFileSync(path, 'log: { level: loud }');
    await next();
    writeFileSync(path, '');
    expect(await next()).toEqual([UNCHANGED]);
  });

  test('because it was removed, is told, and so is its return', async () => {
    followed('log: { level: info }');
    rmSync(path);
    const removed = await next();
    writeFileSync(path, 'log: { level: debug }');
    expect([removed, await next()]).toEqual([['config_unreadable'], [LEVEL]]);
  });
});

describe('a reload on demand', () => {
  test('is told although nothing changed', () => {
    followed().reload();
    expect(told).toEqual([UNCHANGED]);
  });

  test('is told although the problem was told before', async () => {
    const following = followed();
    writeFileSync(path, 'log: { level: loud }');
    await next();
    following.reload();
    expect(told).toEqual(['config_invalid']);
  });

  test('is not told again by the watch', async () => {
    const following = followed();
    writeFileSync(path, 'log: { level: debug }');
    following.reload();
    await clock.fire();
    expect(told).toEqual([LEVEL]);
  });
});

test('a folder that cannot be watched is a problem with a way out, and no more', () => {
  writeFileSync(path, '');
  const running = load().configuration;
  const problems: string[] = [];
  watch = new ConfigurationWatch({
    path: join(folder, 'nowhere', 'x.yaml'),
    running,
    clock,
    load,
    onChange: () => {},
    onProblem: (error) => problems.push(error instanceof SpiffeSdsError ? error.message : ''),
  });
  watch.start();
  expect(problems).toEqual([expect.stringMatching(/^cannot watch the folder ".*nowhere" .* after a change send SIGHUP$/)]);
});
