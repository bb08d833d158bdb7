/** What a real shell makes of a line when Tab is pressed at its end, with a script for it. */
import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdtempDisposable, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';

const run = promisify(execFile);
const LIMIT_MS = 30_000;

export type Shell = 'bash' | 'zsh' | 'fish';

export function shellAt(shell: Shell): string | undefined {
  const path = `/usr/bin/${shell}`;
  return existsSync(path) ? path : undefined;
}

export function missingShell(shell: Shell): string {
  return `there is no /usr/bin/${shell} here: npm run containers installs it (Debian, as root)`;
}

/** $1 the script; then lines, whose words have single spaces between them. For each line a line of what there is. */
const BASH = `
source "$1"; shift
for line; do
  # As Readline does: = is a word of its own.
  read -ra COMP_WORDS <<< "\${line//=/ = }"
  [[ $line == *' ' ]] && COMP_WORDS+=('')
  COMP_CWORD=$(( \${#COMP_WORDS[@]} - 1 )) COMPREPLY=()
  $(complete -p spiffe-sds | sed 's/.*-F \\([^ ]*\\) .*/\\1/')
  echo "\${COMPREPLY[*]}"
done`;

const FISH = `
source $argv[1]
for line in $argv[2..]
  echo (complete -C $line | string replace -r '\\t.*' '')
end`;

/**
 * $1 the script, $2 a folder; then lines. It types them into another zsh, which has a terminal, and has that list what it would offer and
 * what becomes of the line.
 */
const ZSH = `
zmodload zsh/zpty
script=$1 folder=$2; shift 2
offers() { print -r -- "
  autoload -Uz compinit; compinit -u -d $folder/dump; source $script
  offered=(); compadd() { local -a all; builtin compadd -O all \\"\\$@\\"; offered+=(\\$all); builtin compadd \\"\\$@\\" }
  tell() { print -r -- \\"\\$offered\\" >> $folder/out; BUFFER= offered=() }
  zle -N tell; bindkey '^T' tell; setopt no_beep; unsetopt auto_list auto_menu; PS1=; print -r rea''dy-now" }
zpty shell zsh -f -i
offers > $folder/offers
zpty -w shell "source $folder/offers"
zpty -r shell _ '*ready-now*'
for line; do zpty -w -n shell "$line"$'\\t\\x14'; done
zpty -w shell exit
while zpty -r shell _; do :; done
cat $folder/out`;

/** @returns for each line, what it offers */
export async function completed(shell: Shell, script: string, lines: readonly string[]): Promise<readonly ReadonlySet<string>[]> {
  await using folder = await mkdtempDisposable(join(tmpdir(), 'completion-'));
  const file = join(folder.path, 'script');
  await writeFile(file, script);
  const driver = join(folder.path, 'driver');
  await writeFile(driver, { bash: BASH, zsh: ZSH, fish: FISH }[shell]);
  const args = {
    bash: ['--norc', '--noprofile', driver, file, ...lines],
    zsh: ['-f', driver, file, folder.path, ...lines],
    fish: ['--no-config', driver, file, ...lines],
  }[shell];
  const env = { ...process.env, HOME: folder.path, TERM: 'xterm' };
  const { stdout } = await run(shellAt(shell) ?? shell, args, { cwd: folder.path, env, timeout: LIMIT_MS });
  const offered = stdout.split('\n').slice(0, lines.length);
  return offered.map((line) => new Set(line.split(' ').filter((word) => word !== '')));
}
