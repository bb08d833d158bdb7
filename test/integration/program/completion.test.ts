/** The scripts that `completion` prints, in the shells that they are for. */
import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { expect, test } from 'vitest';
import { configurationJsonSchema } from '../../../src/config/json-schema.ts';
import { describeWith } from '../../support/describe-with.ts';
import { completed, missingShell, shellAt } from '../../support/shells/completion.ts';

const MAIN = join(import.meta.dirname, '..', '..', '..', 'src', 'cli', 'main.ts');
const run = promisify(execFile);

async function spiffeSds(...args: readonly string[]): Promise<string> {
  return (await run(process.execPath, [MAIN, ...args])).stdout;
}

/** The words that begin the lines of a list in a help text. */
function listed(help: string, begin: RegExp): ReadonlySet<string> {
  return new Set([...help.matchAll(begin)].map(([, word = '']) => word));
}

const COMMANDS = /^ {2}([a-z]+)[ |]/gm;
const OPTIONS = /^ {2}(?:-\w, )?(--[a-z-]+)/gm;
const log = configurationJsonSchema().properties?.['log']?.properties ?? {};
const without = (words: Iterable<string> = [], test: (word: string) => boolean) =>
  new Set([...words].filter((word) => !test(word)));

for (const shell of ['bash', 'zsh', 'fish'] as const) {
  describeWith(shellAt(shell), missingShell(shell))(`in ${shell}`, () => {
    const complete = async (...lines: readonly string[]) => completed(shell, await spiffeSds('completion', shell), lines);
    /** fish offers options only after a dash. */
    const isOption = (word: string) => word.startsWith('-');

    test('the first word is a command', async () => {
      const commands = without(listed(await spiffeSds('--help'), COMMANDS), (word) => word === 'help');
      const [all, some, none] = await complete('spiffe-sds ', 'spiffe-sds stat', 'spiffe-sds nothing');
      expect(commands).toContain('serve');
      expect(without(all, isOption)).toEqual(commands);
      expect([some, none]).toEqual([new Set(['status']), new Set()]);
    });

    test('then come the options of the command, all and no others', { timeout: 60_000 }, async () => {
      const commands = ['serve', 'get', 'bootstrap', 'doctor'];
      const offered = await complete(...commands.map((command) => `spiffe-sds ${command} --`));
      const helps = await Promise.all(commands.map((command) => spiffeSds(command, '--help')));
      const withoutHelp = (words: Iterable<string>) => without(words, (word) => word === '--help');
      expect(offered.map(withoutHelp)).toEqual(helps.map((help) => withoutHelp(listed(help, OPTIONS))));
    });

    test('and values, where they are known', async () => {
      const lines = ['get --output ', 'status --output ', 'bootstrap --role ', 'serve --log-level ', 'serve --log-format '];
      expect(await complete(...lines.map((line) => `spiffe-sds ${line}`))).toEqual([
        new Set(['json', 'pem', 'text', 'yaml']),
        new Set(['json', 'text', 'yaml']),
        new Set(['both', 'client', 'server']),
        new Set(log['level']?.enum),
        new Set(log['format']?.enum),
      ]);
    });

    test('or files, and nothing where only the user knows', async () => {
      const lines = ['check --config /etc/hostnam', 'doctor --bootstrap /etc/hostnam', 'get --listen '];
      const [config, bootstrap, listen] = await complete(...lines.map((line) => `spiffe-sds ${line}`));
      for (const offered of [config, bootstrap])
        expect([...(offered ?? [])].map((path) => path.replace(/.*\//, ''))).toContain('hostname');
      expect(listen).toEqual(new Set());
    });

    test('words of a command, and options without one, are those of serve', async () => {
      const [schema, shells, level] = await complete('spiffe-sds config s', 'spiffe-sds completion ', 'spiffe-sds --log-le');
      expect(schema).toEqual(new Set(['schema']));
      expect(without(shells, isOption)).toEqual(new Set(['bash', 'fish', 'zsh']));
      expect(level).toEqual(new Set(['--log-level']));
    });
  });
}

describeWith(shellAt('bash'), missingShell('bash'))('in bash', () => {
  test('a value may follow an equals sign', async () => {
    const script = await spiffeSds('completion', 'bash');
    expect(await completed('bash', script, ['spiffe-sds get --output=y', 'spiffe-sds get --output='])).toEqual([
      new Set(['yaml']),
      new Set(['json', 'pem', 'text', 'yaml']),
    ]);
  });
});
