/** What the schema refuses, as sentences: where, which key, what was expected, what was found. */
import type { z } from 'zod';
import { isPlanned, knownKeys } from './schema.ts';
import type { Given } from './sources.ts';
import type { YamlFile } from './yaml-file.ts';

export type Path = readonly PropertyKey[];

/** A problem that only several values together show, told as the schema tells those of one; the message is a whole sentence. */
export type Issue = z.core.$ZodIssueCustom;

const MAX_QUOTED = 200;
/** How many letters may be wrong in a key that we guess at. */
const MAX_TYPOS = 2;

/** The end of "expected …" where the schema itself does not say it. */
export function expectation(issue: z.core.$ZodRawIssue): string | undefined {
  if (issue.code === 'invalid_value') return `one of ${issue.values.join(', ')}`;
  if (issue.code !== 'invalid_type') return undefined;
  if (issue.expected === 'object') return 'a mapping (key: value)';
  return issue.expected === 'boolean' ? 'true or false' : `a ${issue.expected}`;
}

/**
 * One sentence for each problem.
 * @param tree what the schema was given: `file` with `overrides` put in
 */
export function explain(
  issues: readonly z.core.$ZodIssue[],
  tree: unknown,
  file: YamlFile,
  overrides: ReadonlyMap<string, Given>,
): readonly string[] {
  return issues.flatMap((issue) => {
    if (issue.code === 'unrecognized_keys') {
      return issue.keys.map((key) => `${placeOf(file, [...issue.path, key])}: ${unknownKey(issue.path, key)}`);
    }
    const name = pathText(issue.path);
    const source = overrides.get(name)?.source;
    const written = source === undefined ? file.find(issue.path)?.written : undefined;
    const value = issue.path.reduce<unknown>((at, key) => (at as Record<PropertyKey, unknown>)[key], tree);
    const hint = issue.code === 'invalid_type' && issue.expected === 'string' ? quoteHint(value, written) : '';
    const rule = issue.code === 'custom' ? issue.message : `expected ${issue.message}, found ${found(value)}${hint}`;
    return [`${source ?? placeOf(file, issue.path)}: ${name === '' ? '' : `${name}: `}${rule}`];
  });
}

/** `secrets[0].name` */
export function pathText(path: Path): string {
  return path.reduce<string>((text, part) => {
    if (typeof part === 'number') return `${text}[${part}]`;
    return text === '' ? String(part) : `${text}.${String(part)}`;
  }, '');
}

/** `file:line:column` of the path, or of the nearest thing above it that is in the file. */
function placeOf(file: YamlFile, path: Path): string {
  const place = file.find(path);
  return place === undefined ? placeOf(file, path.slice(0, -1)) : `${file.name}:${place.line}:${place.column}`;
}

function unknownKey(path: Path, key: string): string {
  const name = pathText([...path, key]);
  if (isPlanned([...path, key])) return `${quote(name)} is not supported by this version of spiffe-sds yet`;
  const meant = nearest(key, knownKeys(path));
  return `unknown key ${quote(name)}${meant === undefined ? '' : `: did you mean ${quote(meant)}?`}`;
}

function found(value: unknown): string {
  if (value === null || value === undefined) return 'nothing';
  if (Array.isArray(value)) return 'a list';
  if (typeof value === 'object') return 'a mapping';
  if (typeof value === 'string') return `string ${quote(value)}`;
  return typeof value === 'number' ? `number ${value}` : String(value);
}

function quoteHint(value: unknown, written: string | undefined): string {
  if (typeof value !== 'number') return '';
  const reading = written === undefined || written === String(value) ? '' : ` (YAML reads ${written} without quotes as a number)`;
  return `${reading}: quote it`;
}

function nearest(word: string, candidates: readonly string[]): string | undefined {
  const ranked = candidates
    .map((candidate) => ({ candidate, typos: editDistance(word, candidate) }))
    .filter(({ candidate, typos }) => typos <= MAX_TYPOS && typos < candidate.length / 2)
    .sort((a, b) => a.typos - b.typos);
  return ranked[0]?.candidate;
}

/** Levenshtein's distance, row by row. */
function editDistance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, j) => j);
  for (const [i, letter] of [...a].entries()) {
    const next = [i + 1];
    for (let j = 1; j <= b.length; j++) {
      const replaced = (row[j - 1] ?? 0) + (letter === b[j - 1] ? 0 : 1);
      next.push(Math.min(replaced, (row[j] ?? 0) + 1, (next[j - 1] ?? 0) + 1));
    }
    row = next;
  }
  return row[b.length] ?? 0;
}

function quote(text: string): string {
  return JSON.stringify(text.length > MAX_QUOTED ? `${text.slice(0, MAX_QUOTED)}…` : text);
}
