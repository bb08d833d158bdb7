import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { circles, crowdedFolders, filesIn, forbiddenImports, importsIn, readImports, upwardRows } from './imports.ts';
import { ROOMS, roomsTable } from './rooms.ts';

const ROOT = join(import.meta.dirname, '..', '..');
const MAX_FILES = 20;
const imports = await readImports(ROOT);

describe('src/', () => {
  test('imports only what the table of rooms allows', () => {
    expect(forbiddenImports(imports, ROOMS)).toEqual([]);
  });

  test('has no files that import each other in a circle, types included', () => {
    expect(circles(imports)).toEqual([]);
  });

  test('has files in every room of the table', () => {
    const names = [...imports.keys()];
    expect(ROOMS.filter(({ path }) => !names.some((name) => name.startsWith(path)))).toEqual([]);
  });
});

describe('the table of rooms', () => {
  test('lets no room import one that does not stand above it', () => {
    expect(upwardRows(ROOMS)).toEqual([]);
  });

  test('is the one in docs/architecture.md', async ({ skip }) => {
    const page = await readFile(join(ROOT, 'docs', 'architecture.md'), 'utf8').catch(() => undefined);
    skip(page === undefined, 'there is no such page');
    expect(page, 'put this table in the place of the one in docs/architecture.md').toContain(roomsTable());
  });
});

test.each(['src', 'test'])(`no folder of %s has more than ${MAX_FILES} files`, async (folder) => {
  expect(crowdedFolders(await filesIn(ROOT, folder), MAX_FILES)).toEqual([]);
});

describe('what is said', () => {
  const rooms = [
    { path: 'src/', holds: '', mayImport: [] },
    { path: 'src/low/', holds: '', mayImport: [] },
    { path: 'src/low/deep/', holds: '', mayImport: [] },
    { path: 'src/high/', holds: '', mayImport: ['src/low/'] },
  ];

  test.each([
    ['src/high/a.ts', 'src/low/b.ts'],
    ['src/high/a.ts', 'src/high/b.ts'],
    ['src/low/a.ts', 'src/clock.ts'],
    ['src/version.ts', 'package.json'],
  ])('%s may import %s', (file, other) => {
    expect(forbiddenImports(new Map([[file, [other]]]), rooms)).toEqual([]);
  });

  test.each([
    [
      'src/low/a.ts',
      'src/high/b.ts',
      'src/low/a.ts imports src/high/b.ts, but src/low/ may import src/ only: that runs up: declare what src/low/a.ts needs in src/low/ or in a room below it, and let src/high/ give it',
    ],
    [
      'src/high/a.ts',
      'src/low/deep/b.ts',
      'src/high/a.ts imports src/low/deep/b.ts, but src/high/ may import src/, src/low/ only: take it from one of those, or, if the two rooms belong together, allow it in test/architecture/rooms.ts',
    ],
    ['src/new/a.ts', 'src/clock.ts', 'src/new/a.ts is in no room: add its folder to the table in test/architecture/rooms.ts'],
    [
      'src/low/a.ts',
      'test/support/b.ts',
      'src/low/a.ts imports test/support/b.ts, which is in no room of src/: src/ is released without it',
    ],
  ])('when %s imports %s', (file, other, sentence) => {
    expect(forbiddenImports(new Map([[file, [other]]]), rooms)).toEqual([sentence]);
  });

  test('when a row of the table looks up', () => {
    expect(upwardRows([{ path: 'src/low/', holds: '', mayImport: ['src/high/'] }, ...rooms.slice(3)])).toEqual([
      'src/low/ may import src/high/, which does not stand above it in the table: remove that, or move the row',
    ]);
    expect(upwardRows(rooms)).toEqual([]);
  });

  test('when files import each other in a circle, once for each circle', () => {
    const round = new Map([
      ['a.ts', ['b.ts']],
      ['b.ts', ['c.ts', 'd.ts']],
      ['c.ts', ['b.ts']],
      ['d.ts', []],
    ]);
    expect(circles(round)).toEqual(['b.ts → c.ts → b.ts is a circle: move what both sides need to a file that imports neither']);
  });

  test('when a folder is crowded', () => {
    expect(crowdedFolders(['a/1.ts', 'a/2.ts', 'a/b/3.ts'], 1)).toEqual([
      'a/ has 2 files: make folders in it, named for what they hold, of at most 1',
    ]);
  });

  test('every form of an import is seen', () => {
    const text = `
      import './a.ts';
      import type { B } from '../b.ts';
      import {
        c,
      } from "./c.ts";
      export { d } from './d.ts';
      type E = import('./e.ts').E;
      const f = await import(
        './f.ts'
      );
      import { readFile } from 'node:fs/promises';`;
    expect(importsIn('src/x/y.ts', text)).toEqual([
      'src/x/a.ts',
      'src/b.ts',
      'src/x/c.ts',
      'src/x/d.ts',
      'src/x/e.ts',
      'src/x/f.ts',
    ]);
  });
});
