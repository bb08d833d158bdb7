/** deploy/debian: the unit is hardened, and man page, completion and package say and hold what there is. */
import { execFile } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { expect, test } from 'vitest';
import { parse } from 'yaml';
import { isExecutable, onPath } from '../../deploy/executable.ts';
import { loadConfiguration } from '../../src/config/load.ts';

const FOLDER = join(import.meta.dirname, '..', '..', 'deploy', 'debian');
const MAIN = join(import.meta.dirname, '..', '..', 'src', 'cli', 'main.ts');
const run = promisify(execFile);
const text = (file: string) => readFile(join(FOLDER, file), 'utf8');
const help = async (...command: readonly string[]) => (await run(process.execPath, [MAIN, ...command, '--help'])).stdout;
const commands = [...(await help()).matchAll(/^ {2}([a-z]+) .*\S/gm)]
  .map(([, name = '']) => name)
  .filter((name) => name !== 'help');

const RULES = [
  'Type=notify',
  'User=spiffe-sds',
  'RuntimeDirectory=spiffe-sds',
  'CapabilityBoundingSet=',
  'NoNewPrivileges=yes',
  'ProtectSystem=strict',
  'ProtectHome=yes',
  'PrivateTmp=yes',
  'PrivateDevices=yes',
  'RestrictNamespaces=yes',
  'RestrictSUIDSGID=yes',
  'IPAddressDeny=any',
  'SystemCallFilter=@system-service',
];

test.each(RULES)('the unit says %s', async (line) => {
  expect((await text('spiffe-sds.service')).split('\n')).toContain(line);
});

test.runIf(onPath('systemd-analyze').some(isExecutable))('systemd finds it exposed by no more than 2.0 of 10', async () => {
  const args = ['security', '--offline=true', '--threshold=20', join(FOLDER, 'spiffe-sds.service')];
  expect((await run('systemd-analyze', args)).stdout).toMatch(/Overall exposure level/);
});

test('the configuration that it installs is one that it takes', async () => {
  const content = await text('spiffe-sds.yaml');
  const { configuration } = loadConfiguration({ flags: { config: 'x.yaml' }, env: {}, readFile: () => content });
  expect(configuration.sds.group).toBe('spiffe-sds');
  expect(parse(content).workload_api.address).toMatch(/^unix:/);
});

test('the man page tells each command, and parses', async () => {
  expect(commands).toEqual(expect.arrayContaining(['serve', 'dev', 'check', 'get', 'status', 'version']));
  const page = await text('spiffe-sds.8');
  for (const command of commands) expect(page).toMatch(new RegExp(`^\\.BR? ${command}\\b`, 'm'));
});

test('the man page names each variable of the environment', async () => {
  const sources = await readFile(join(FOLDER, '..', '..', 'src', 'config', 'source', 'sources.ts'), 'utf8');
  for (const [name] of sources.matchAll(/SPIFFE_[A-Z_]+/g)) expect(await text('spiffe-sds.8')).toContain(name);
});

test('the completion that it installs offers each command, and each option of it', async () => {
  const { stdout: completion } = await run(process.execPath, [MAIN, 'completion', 'bash']);
  const complete = async (...words: readonly string[]) => {
    const script = `${completion}\nCOMP_WORDS=(spiffe-sds "$@"); COMP_CWORD=$#; _spiffe_sds; printf '%s\\n' "\${COMPREPLY[@]}"`;
    return (await run('bash', ['-c', script, 'bash', ...words])).stdout.trim().split('\n');
  };
  expect(await complete('')).toEqual(expect.arrayContaining(commands));
  for (const command of commands) {
    const options = [...(await help(command)).matchAll(/^ {2}(?:-\w, )?(--[a-z-]+)/gm)].map(([, option = '']) => option);
    expect(new Set(await complete(command, '--')), command).toEqual(new Set(options));
  }
  expect(await complete('st')).toEqual(['status']);
  expect(await complete('get', '--output', 'j')).toEqual(['json']);
});
