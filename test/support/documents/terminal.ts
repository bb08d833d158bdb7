/**
 * Runs the commands of a page as its reader would: one after the other in one terminal, and what goes on running in another one.
 *
 * Their ports and /run are not this machine's, for the commands name fixed ones: they run in name spaces of their own (unshare(1)), which
 * have a loopback interface and nothing else, and with which whatever they started ends.
 */
import { execFile, execFileSync, spawnSync } from 'node:child_process';
import { chmod, cp, mkdir, symlink, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';
import { type Fence, ROOT } from './document.ts';

const PRIVATE = [
  ...(process.getuid?.() === 0 ? [] : ['--map-root-user']),
  ...['--net', '--mount', '--pid', '--mount-proc', '--fork', '--kill-child'],
];
/** npm takes packages from its cache, where the `npm ci` of this checkout put them. */
const OFFLINE = { npm_config_offline: 'true', npm_config_audit: 'false', npm_config_fund: 'false', npm_config_loglevel: 'error' };

/** What is missing to run commands; undefined when nothing is. */
export function missingForTerminal(): string | undefined {
  for (const [command, ...args] of [
    ['unshare', ...PRIVATE, 'true'],
    ['ip', '-V'],
    ['curl', '--version'],
    ['git', '--version'],
  ]) {
    const { status } = spawnSync(command as string, args, { stdio: 'ignore' });
    if (status !== 0) return `the commands of the pages need ${[command, ...args].join(' ')}, which does not work here`;
  }
  return undefined;
}

/**
 * Copies what a clone of this working tree would hold, and the tools of the tests beside it.
 * @param installed whether its packages are there, too: those of this checkout
 */
export async function clone(folder: string, { installed }: { readonly installed: boolean }): Promise<void> {
  const listed = execFileSync('git', ['ls-files', '-z', '--cached', '--others', '--exclude-standard'], {
    cwd: ROOT,
    encoding: 'utf8',
  });
  const files = listed.split('\0').filter((file) => file !== '' && file !== '.tools' && file !== 'node_modules');
  for (const parent of new Set(files.map(dirname))) await mkdir(join(folder, parent), { recursive: true });
  await Promise.all(files.map((file) => cp(join(ROOT, file), join(folder, file), { verbatimSymlinks: true })));
  await symlink(join(ROOT, '.tools'), join(folder, '.tools'));
  if (!installed) return;
  await symlink(join(ROOT, 'node_modules'), join(folder, 'node_modules'));
  await cp(join(ROOT, 'src', 'gen'), join(folder, 'src', 'gen'), { recursive: true });
}

export type Commands = Pick<Fence, 'at' | 'text'> & Partial<Pick<Fence, 'until' | 'stop'>>;

export interface Session {
  /** The clone that the commands run in. */
  readonly checkout: string;
  /** An empty folder: the reader's home. */
  readonly home: string;
  readonly limitMs: number;
  /** Programs that the page takes for granted: where they are, by their names. */
  readonly programs?: Readonly<Record<string, string>>;
  /** What is there before the first command, and goes on running. */
  readonly before?: readonly Commands[];
}

/**
 * Runs them in their order.
 * @returns all that they wrote
 * @throws with what they wrote, when one of them fails or `limitMs` have passed
 */
export async function runInTerminal(
  fences: readonly Fence[],
  { checkout, home, limitMs, programs = {}, before = [] }: Session,
): Promise<string> {
  const { stdout: cache } = await promisify(execFile)('npm', ['config', 'get', 'cache']);
  const inherited = Object.entries(process.env).filter(([name]) => !/^(SPIFFE_|OTEL_|NODE_|XDG_|npm_|VITEST|CI$)/.test(name));
  // What is installed for all users goes there, too.
  const prefix = join(home, '.local');
  const bin = join(prefix, 'bin');
  await mkdir(bin, { recursive: true });
  for (const [name, path] of Object.entries(programs)) await symlink(path, join(bin, name));
  const settings = { ...OFFLINE, npm_config_cache: cache.trim(), npm_config_prefix: prefix };
  const env = { ...Object.fromEntries(inherited), ...settings, PATH: `${bin}:${process.env['PATH']}`, HOME: home };
  const script = join(home, '.commands.sh');
  await writeFile(script, scriptOf([...before, ...fences]));
  await chmod(script, 0o755);
  const options = { cwd: checkout, env, timeout: limitMs, killSignal: 'SIGKILL', maxBuffer: 1 << 24 } as const;
  const { stdout } = await promisify(execFile)('unshare', [...PRIVATE, 'bash', script], options).catch((thrown) => {
    const { killed, stdout: written = '' } = thrown as { readonly killed?: boolean; readonly stdout?: string };
    const hint = written.includes('ENOTCACHED') ? ' (npm ci, once, puts all packages into the cache of npm)' : '';
    throw new Error(`${killed === true ? `${limitMs} ms have passed` : 'a command failed'}${hint}:\n${written}`, {
      cause: thrown,
    });
  });
  return stdout;
}

function scriptOf(fences: readonly Commands[]): string {
  return `exec 2>&1 </dev/null
# Ctrl-C reaches a group of processes, and each command in a terminal of its own is one.
set -emo pipefail
ip link set lo up
mount -t tmpfs tmpfs /run
# awaits OUTPUT PROCESS PATTERN
awaits() {
  grep -Eqm1 -- "$3" < <(tail -n +1 -s 0.1 -f --pid="$2" "$1") && return
  echo "it ended before it wrote $3:"
  cat "$1"
  return 1
}
${fences.map(stepOf).join('\n')}`;
}

function stepOf({ at, text, until, stop }: Commands, index: number): string {
  const pattern = stop ?? until;
  if (pattern === undefined) return `echo '--- ${at}'\n${text}\n`;
  const output = `"$HOME/.output-${index}"`;
  return `echo '--- ${at}, in a terminal of its own'
: > ${output}
(
${text}
) > ${output} 2>&1 &
awaits ${output} $! '${pattern}'
${stop === undefined ? '' : 'kill -INT -- -$!\nwait $!\n'}`;
}
