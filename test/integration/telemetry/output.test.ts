import { once } from 'node:events';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { firstOf, Program, textOf } from '../../support/sidecar/program.ts';

const LOG = join(import.meta.dirname, '..', '..', '..', 'src', 'telemetry', 'log', 'log.ts');

const HALF = 512 * 1024;

/** Tells `count` events to the log, some 100 bytes each. */
const flood = (format: 'json' | 'text') => `
  const { openLog } = await import(${JSON.stringify(LOG)});
  const log = await openLog({ level: 'info', format: '${format}' });
  const tell = (count) => {
    for (let streams = 0; streams < count; streams++) log.events({ type: 'draining', streams });
  };`;

interface Line {
  readonly event: string;
  readonly streams?: number;
  readonly lines?: number;
}

function linesOf(text: string): readonly Line[] {
  return text
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line));
}

describe.each(['json', 'text'] as const)('a log as %s that nobody reads', (format) => {
  test('keeps nothing waiting, takes bounded memory, and lets the process end', async () => {
    await using program = new Program(`${flood(format)}
      tell(100_000);
      process.stdout.write(String(process.memoryUsage().arrayBuffers), () => process.exit(3));`);
    const arrayBuffers = Number(await firstOf(program.stdout));
    expect(arrayBuffers).toBeLessThan(8 * 1024 * 1024);
    expect(await program.ended()).toBe(3);
  });
});

describe('a log', () => {
  test('whose reader comes back says how many lines are missing, where they are missing', async () => {
    await using program = new Program(`${flood('json')}
      tell(100_000);
      process.stdout.write('told');
      process.stdin.once('data', () => {
        tell(1);
        process.exit();
      });`);
    await firstOf(program.stdout);
    let text = '';
    program.stderr.setEncoding('utf8').on('data', (chunk: string) => {
      // What waits is less than 1 MiB: when half of it is read, there is room again.
      if (text.length < HALF && text.length + chunk.length >= HALF) program.stdin.write('go on');
      text += chunk;
    });
    await once(program.stderr, 'end');
    const lines = linesOf(text);
    const before = lines.filter(({ event }) => event === 'draining').length - 1;
    expect(lines.map(({ streams }) => streams).slice(0, before)).toEqual(Array.from({ length: before }, (_, n) => n));
    expect(lines.slice(before)).toMatchObject([
      { event: 'draining', streams: 0 },
      { event: 'log_dropped', lines: 100_000 - before },
    ]);
  });

  test('is whole when the process ends at once, although its reader is slow', async () => {
    await using program = new Program(`${flood('json')}
      tell(5_000);
      process.exit();`);
    expect(linesOf(await textOf(program.stderr))).toHaveLength(5_000);
  });

  test('is whole when the process dies of an error', async () => {
    await using program = new Program(`${flood('json')}
      tell(10);
      throw new Error('a bug');`);
    const text = await textOf(program.stderr);
    expect(text.match(/"draining"/g)).toHaveLength(10);
    expect(text).toContain('a bug');
  });

  test('whose reader is gone does not end the process', async () => {
    await using program = new Program(`${flood('json')}
      tell(1);
      process.stdin.once('data', () => {
        tell(10);
        process.exit(4);
      });`);
    await firstOf(program.stderr);
    program.stderr.destroy();
    program.stdin.write('go on');
    expect(await program.ended()).toBe(4);
  });
});
