/** Turns the issues of the schema into sentences: the place, the key, what was expected and what was found. */
import type { z } from 'zod';
import { isMapping } from '../../mapping.ts';
import { quoted } from '../../printable.ts';
import { configurationSchema, knownKeys } from '../schema/schema.ts';
import type { Given } from '../source/sources.ts';
import type { YamlFile } from '../source/yaml-file.ts';
import { nearest } from '../values/nearest.ts';

/** The keys from the root of the configuration to a value. */
export type Path = readonly PropertyKey[];

/** A problem that involves several values, in the form of a schema issue. Its message is a whole sentence. */
export type Issue = z.core.$ZodIssueCustom;

/** Units to suggest for a number without one: of a duration, and of a size. */
const UNITS = ['s', 'B'];

/** The end of the sentence "expected …" for issues where the schema has no message of its own. */
export function expectation(issue: z.core.$ZodRawIssue): string | undefined {
  if (issue.code === 'invalid_value') return `one of ${issue.values.join(', ')}`;
  if (issue.code !== 'invalid_type') return undefined;
  if (issue.expected === 'object') return 'a mapping (key: value)';
  return issue.expected === 'boolean' ? 'true or false' : `a ${issue.expected}`;
}

/**
 * Makes one sentence for each problem.
 * @param tree the input of the schema: `file` with `overrides`
 */
export function explain(
  issues: readonly z.core.$ZodIssue[],
  tree: unknown,
  file: YamlFile,
  overrides: ReadonlyMap<string, Given>,
): readonly string[] {
  return issues.flatMap(meantIssues).flatMap((issue) => {
    if (issue.code === 'unrecognized_keys') {
      return issue.keys.map((key) => `${placeOf(file, [...issue.path, key])}: ${unknownKey(tree, issue.path, key)}`);
    }
    const name = pathText(issue.path);
    const source = overrides.get(name)?.source;
    const written = source === undefined ? file.find(issue.path)?.written : undefined;
    const value = valueAt(tree, issue.path);
    const wantsText = issue.code === 'invalid_type' && issue.expected === 'string';
    const rule = (wantsText ? notText(tree, issue, value, written) : undefined) ?? ruleOf(issue, value);
    return [`${source ?? placeOf(file, issue.path)}: ${name === '' ? '' : `${name}: `}${rule}`];
  });
}

/** Of a value that may have one of several forms: the issues of the form that it has, with their whole paths. It may have none of them. */
function meantIssues(issue: z.core.$ZodIssue): readonly z.core.$ZodIssue[] {
  if (issue.code !== 'invalid_union') return [issue];
  const isMeant = (issues: readonly z.core.$ZodIssue[]) =>
    issues.some(({ code, path }) => path.length > 0 || code !== 'invalid_type');
  const meant = issue.errors.find(isMeant);
  return meant === undefined ? [issue] : meant.map((inner) => ({ ...inner, path: [...issue.path, ...inner.path] }));
}

/** The path as text: `secrets[0].name`. */
export function pathText(path: Path): string {
  return path.reduce<string>((text, part) => {
    if (typeof part === 'number') return `${text}[${part}]`;
    return text === '' ? String(part) : `${text}.${String(part)}`;
  }, '');
}

/** `file:line:column` of the value, or of its nearest parent that is in the file. */
function placeOf(file: YamlFile, path: Path): string {
  const place = file.find(path);
  return place === undefined ? placeOf(file, path.slice(0, -1)) : `${file.name}:${place.line}:${place.column}`;
}

function unknownKey(tree: unknown, path: Path, key: string): string {
  const name = pathText([...path, key]);
  const known = knownKeys(path);
  const meant = nearest(
    key,
    known.filter((other) => mayStandFor(tree, path, key, other)),
  );
  if (meant !== undefined) return `unknown key ${quoted(name)}: did you mean ${quoted(meant)}?`;
  return `unknown key ${quoted(name)}${known.length === 0 ? '' : `: there are ${known.join(', ')}`}`;
}

/** Whether `other` can replace `key` in the mapping: it must not exist there yet, and must not exclude a key that exists. */
function mayStandFor(tree: unknown, path: Path, key: string, other: string): boolean {
  const mapping = valueAt(tree, path);
  if (!isMapping(mapping) || Object.hasOwn(mapping, other)) return false;
  const renamed = Object.entries(mapping).map(([name, value]) => [name === key ? other : name, value]);
  const all = configurationSchema.safeParse(withValue(tree, path, Object.fromEntries(renamed))).error?.issues ?? [];
  const issues = all.flatMap(meantIssues);
  return !issues.some((issue) => issue.code === 'custom' && pathText(issue.path) === pathText(path));
}

function ruleOf(issue: z.core.$ZodIssue, value: unknown): string {
  return issue.code === 'custom' ? issue.message : `expected ${issue.message}, found ${found(value)}`;
}

/** What to write when a text is required and the value is something else; undefined when no accepted text is known. */
function notText(tree: unknown, issue: z.core.$ZodIssue, value: unknown, written: string | undefined): string | undefined {
  const refused = (text: string) => issueWith(tree, issue.path, text);
  if (value === null || value === undefined || value === false)
    return refused('') === undefined ? `${ruleOf(issue, value)}: write "" for none` : undefined;
  if (typeof value !== 'number') return undefined;
  const text = written ?? String(value);
  const reading = text === String(value) ? '' : ` (YAML reads ${text} without quotes as a number)`;
  const problem = refused(text);
  if (problem === undefined) return `${ruleOf(issue, value)}${reading}: quote it`;
  const unit = UNITS.find((unit) => refused(`${text}${unit}`) === undefined);
  if (unit !== undefined) return `${ruleOf(issue, value)}: write ${text}${unit}`;
  return problem.code === 'custom' ? problem.message : undefined;
}

/** The issue that the schema reports if the path has this value instead; undefined when it accepts the value. */
function issueWith(tree: unknown, path: Path, value: unknown): z.core.$ZodIssue | undefined {
  const { error } = configurationSchema.safeParse(withValue(tree, path, value), { error: expectation });
  return error?.issues.flatMap(meantIssues).find((issue) => pathText(issue.path) === pathText(path));
}

function valueAt(tree: unknown, path: Path): unknown {
  return path.reduce<unknown>((at, key) => (at as Record<PropertyKey, unknown>)[key], tree);
}

/** A copy of the tree with another value at the path. */
function withValue(tree: unknown, [key, ...rest]: Path, value: unknown): unknown {
  if (key === undefined) return value;
  if (Array.isArray(tree)) return tree.map((item, i) => (i === key ? withValue(item, rest, value) : item));
  return isMapping(tree) ? { ...tree, [key]: withValue(tree[String(key)], rest, value) } : tree;
}

function found(value: unknown): string {
  if (value === null || value === undefined) return 'nothing';
  if (Array.isArray(value)) return 'a list';
  if (typeof value === 'object') return 'a mapping';
  if (typeof value === 'string') return `string ${quoted(value)}`;
  return typeof value === 'number' ? `number ${value}` : String(value);
}
