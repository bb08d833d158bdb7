/** docs/not-run.md: what no test here can do, in one table for readers. */
import { relative } from 'node:path';
import { LACKING, NOT_RUN } from '../../test/support/documents/not-run.ts';
import { code, MADE, table } from './markdown.ts';

export function notRunPage(): string {
  const lacking = LACKING.map(({ what, instead }) => [what, instead]);
  const commands = NOT_RUN.map(({ page, begins, reason }) => [`[${page}](${relative('docs', page)})`, code(begins), reason]);
  return `${MADE}
# What is not run here

Every command of every page is run by a test as it stands in the page, but for those in the second table. A test fails when a block of
commands is neither run nor named here, and when one that is named here is gone.

## What the machines of the tests lack

${table(['there is no', 'what is done instead'], lacking)}
## Commands that are not run as they stand

A row is a block of commands, by its beginning.

${table(['page', 'begins with', 'why not, and what is run instead'], commands)}`;
}
