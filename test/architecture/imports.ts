/** Which file of src/ imports which, and what is wrong with that, as sentences that say what to do. */
import { readdir, readFile } from 'node:fs/promises';
import { join, posix } from 'node:path';
import { type Room, SHARED } from './rooms.ts';

/** The imports of each file, types included. Paths are relative to the repository, with `/`. */
export type Imports = ReadonlyMap<string, readonly string[]>;

/** Static and dynamic imports, and `import('…')` as a type; of packages only those that are files here. */
const IMPORT = /\b(?:from|import)\s*\(?\s*['"](\.[^'"]+)['"]/g;

/** @param root of the repository */
export async function readImports(root: string): Promise<Imports> {
  const names = (await filesIn(root, 'src')).filter((name) => name.endsWith('.ts'));
  return new Map(
    await Promise.all(names.map(async (name) => [name, importsIn(name, await readFile(join(root, name), 'utf8'))] as const)),
  );
}

export function importsIn(file: string, text: string): readonly string[] {
  return [...text.matchAll(IMPORT)].map(([, path = '']) => posix.join(posix.dirname(file), path));
}

/** All files below a folder. */
export async function filesIn(root: string, folder: string): Promise<readonly string[]> {
  const found = await readdir(join(root, folder), { recursive: true, withFileTypes: true });
  const files = found.filter((entry) => entry.isFile());
  return files
    .map(({ parentPath, name }) => posix.join(folder, posix.relative(join(root, folder), join(parentPath, name))))
    .sort();
}

/** Imports between rooms that the table does not allow. */
export function forbiddenImports(imports: Imports, rooms: readonly Room[]): readonly string[] {
  return [...imports].flatMap(([file, imported]) => imported.flatMap((other) => forbidden(file, other, rooms) ?? []));
}

function forbidden(file: string, other: string, rooms: readonly Room[]): string | undefined {
  // The version of the release stands there.
  if (other === 'package.json') return undefined;
  const [from, to] = [roomOf(file, rooms), roomOf(other, rooms)];
  if (from === undefined) return `${file} is in no room: add its folder to the table in test/architecture/rooms.ts`;
  if (to === undefined) return `${file} imports ${other}, which is in no room of src/: src/ is released without it`;
  if (from === to || to.path === SHARED || from.mayImport.includes(to.path)) return undefined;
  const allowed = [SHARED, ...from.mayImport].join(', ');
  const advice =
    rooms.indexOf(to) > rooms.indexOf(from)
      ? `that runs up: declare what ${file} needs in ${from.path} or in a room below it, and let ${to.path} give it`
      : `take it from one of those, or, if the two rooms belong together, allow it in test/architecture/rooms.ts`;
  return `${file} imports ${other}, but ${from.path} may import ${allowed} only: ${advice}`;
}

/** The room with the longest path: a folder stands for its own files, and a file for itself. */
export function roomOf(file: string, rooms: readonly Room[]): Room | undefined {
  return rooms.find(({ path }) => path === file) ?? rooms.find(({ path }) => path === `${posix.dirname(file)}/`);
}

/** Rooms of the table that may import one which does not stand above them in it, so that a circle of rooms could come about. */
export function upwardRows(rooms: readonly Room[]): readonly string[] {
  return rooms.flatMap(({ path, mayImport }, index) => {
    const above = rooms.slice(0, index).map((room) => room.path);
    const wrong = mayImport.filter((name) => !above.includes(name));
    return wrong.map(
      (name) => `${path} may import ${name}, which does not stand above it in the table: remove that, or move the row`,
    );
  });
}

/** Files that import each other, each circle once. */
export function circles(imports: Imports): readonly string[] {
  const found: string[] = [];
  const done = new Set<string>();
  const visit = (file: string, path: readonly string[]) => {
    if (path.includes(file)) {
      const circle = [...path.slice(path.indexOf(file)), file].join(' → ');
      found.push(`${circle} is a circle: move what both sides need to a file that imports neither`);
      return;
    }
    if (done.has(file)) return;
    for (const other of imports.get(file) ?? []) visit(other, [...path, file]);
    done.add(file);
  };
  for (const file of imports.keys()) visit(file, []);
  return found;
}

/** Folders with more files than a reader takes in at a glance. */
export function crowdedFolders(files: readonly string[], limit: number): readonly string[] {
  const counts = new Map<string, number>();
  for (const file of files) counts.set(posix.dirname(file), (counts.get(posix.dirname(file)) ?? 0) + 1);
  const crowded = [...counts].filter(([, count]) => count > limit);
  return crowded.map(
    ([folder, count]) => `${folder}/ has ${count} files: make folders in it, named for what they hold, of at most ${limit}`,
  );
}
