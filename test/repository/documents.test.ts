/** What holds for every page. test/e2e/deploy/documents.test.ts runs their commands. */
import { existsSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { fencesOf, pages, ROOT, textOf } from '../support/documents/document.ts';
import { headingIds } from '../support/documents/heading-ids.ts';
import { NOT_RUN, reasonNotToRun } from '../support/documents/not-run.ts';
import { loadText } from '../support/sidecar/configuration.ts';

test('README.md can be read at once: 200 lines of 120 characters at most', () => {
  const lines = textOf('README.md').trimEnd().split('\n');
  expect(lines.length).toBeLessThanOrEqual(200);
  expect(lines.filter((line) => [...line].length > 120)).toEqual([]);
});

describe.each(pages())('%s', (page) => {
  const fences = fencesOf(page);
  const commands = fences.filter(({ language }) => language === 'sh');

  test('every block says what it is: sh, yaml, text, …', () => {
    expect(fences.filter(({ language }) => language === '').map(({ at }) => at)).toEqual([]);
    const disguised = fences.filter(({ language }) => /^(bash|shell|console|zsh)$/.test(language));
    expect(disguised.map(({ at }) => `${at}: name it sh, so that a test can run it`)).toEqual([]);
  });

  test('every command is run by a test (```sh test), or test/support/documents/not-run.ts says why not', () => {
    const neither = commands.filter(({ check, text }) => (check === 'test') === (reasonNotToRun(page, text) !== undefined));
    expect(neither.map(({ at }) => at)).toEqual([]);
  });

  test('every configuration (```yaml config) is accepted', () => {
    for (const { at, text } of fences.filter(({ check }) => check === 'config')) {
      expect(() => loadText(text), at).not.toThrow();
    }
  });
});

test.each(NOT_RUN)('$page still has the command that is not run: $begins', ({ page, begins }) => {
  expect(fencesOf(page).filter(({ language, text }) => language === 'sh' && text.startsWith(begins))).toHaveLength(1);
});

test.each(pages())('%s has no dead link within the repository', (page) => {
  const text = textOf(page).replaceAll(/^\s*```[\s\S]*?^\s*```$/gm, '');
  const links = [...text.matchAll(/\]\((?!https?:)([^)\s]+)\)/g)].map(([, link = '']) => link);
  const dead = links.filter((link) => {
    const [path = '', id] = link.split('#');
    const target = path === '' ? page : join(dirname(page), path);
    if (!existsSync(join(ROOT, target))) return true;
    return id !== undefined && !headingIds(textOf(target)).has(id);
  });
  expect(dead).toEqual([]);
});
