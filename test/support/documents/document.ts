/** What the Markdown pages of this repository hold that can be checked. */
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';

export const ROOT = join(import.meta.dirname, '..', '..', '..');

/** A block between two lines of ```. */
export interface Fence {
  /** The page and the line that it begins in: `README.md:12`. */
  readonly at: string;
  /** `sh`, `yaml`, `text`; empty where none is named. */
  readonly language: string;
  /** The word after the language: `test` for commands that a test runs, `config` for a configuration file that a test loads. */
  readonly check: string | undefined;
  /** The commands do not end by themselves; the next ones are run when their output matches this extended regular expression. */
  readonly until: string | undefined;
  /** As `until`, and then they are stopped with Ctrl-C, after which their exit code must be 0. */
  readonly stop: string | undefined;
  readonly text: string;
}

/** Every Markdown page, as a path relative to the root. */
export function pages(): readonly string[] {
  const args = ['ls-files', '--cached', '--others', '--exclude-standard', '--', '*.md'];
  return execFileSync('git', args, { cwd: ROOT, encoding: 'utf8' }).trimEnd().split('\n');
}

export function textOf(page: string): string {
  return readFileSync(join(ROOT, page), 'utf8');
}

/** @returns the fences of a page, in their order */
export function fencesOf(page: string, text: string = textOf(page)): readonly Fence[] {
  const fences: Fence[] = [];
  let open: { readonly info: string; readonly line: number; readonly body: string[] } | undefined;
  for (const [index, line] of text.split('\n').entries()) {
    const [, info] = /^\s*```(.*)$/.exec(line) ?? [];
    if (open === undefined) {
      if (info !== undefined) open = { info, line: index + 1, body: [] };
    } else if (info === undefined) {
      open.body.push(line);
    } else {
      const [, language = '', check, until, stop] =
        /^(\S*)(?: (\S+))?(?: until="([^"]*)")?(?: stop="([^"]*)")?$/.exec(open.info.trim()) ?? [];
      fences.push({ at: `${page}:${open.line}`, language, check, until, stop, text: open.body.join('\n') });
      open = undefined;
    }
  }
  return fences;
}
