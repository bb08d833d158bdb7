/** Completion of commands and options for shells, made from the commands themselves. */
import type { Command, Option } from 'commander';

export const SHELLS = ['bash', 'zsh', 'fish'] as const;
export type Shell = (typeof SHELLS)[number];

interface Completed {
  readonly name: string;
  readonly description: string;
  readonly options: readonly Option[];
  /** Words that follow the command. */
  readonly words: readonly string[];
}

/** Prints a script that the shell is to read. */
export function completion(program: Command, shell: Shell): void {
  const commands = program.commands.map((command) => ({
    name: command.name(),
    description: command.description(),
    options: command.options,
    words: [
      ...command.commands.map((one) => one.name()),
      ...command.registeredArguments.flatMap(({ argChoices = [] }) => argChoices),
    ],
  }));
  process.stdout.write({ bash, zsh, fish }[shell](commands));
}

function bash(commands: readonly Completed[]): string {
  return `# bash completion of spiffe-sds: source <(spiffe-sds completion bash)
_spiffe_sds() {
  local word=\${COMP_WORDS[COMP_CWORD]} before=\${COMP_WORDS[COMP_CWORD-1]}
  if [ "$COMP_CWORD" -eq 1 ]; then
    COMPREPLY=($(compgen -W "${commands.map(({ name }) => name).join(' ')}" -- "$word"))
    return
  fi
  case "\${COMP_WORDS[1]} $before" in
${choicesOf(commands)
  .map(
    ({ command, long, choices }) =>
      `    "${command} ${long}") COMPREPLY=($(compgen -W "${choices.join(' ')}" -- "$word")); return ;;\n`,
  )
  .join('')}    *" --config" | *" --bootstrap") COMPREPLY=($(compgen -f -- "$word")); return ;;
  esac
  case "\${COMP_WORDS[1]}" in
${commands.map((command) => `    ${command.name}) COMPREPLY=($(compgen -W "${wordsOf(command).join(' ')}" -- "$word")) ;;\n`).join('')}  esac
}
complete -F _spiffe_sds spiffe-sds
`;
}

function zsh(commands: readonly Completed[]): string {
  return `#compdef spiffe-sds
# zsh completion of spiffe-sds: source <(spiffe-sds completion zsh)
_spiffe_sds() {
  local -a commands words
  if (( CURRENT == 2 )); then
    commands=(${commands.map(({ name, description }) => quoted(`${name}:${description}`)).join(' ')})
    _describe command commands
    return
  fi
  case "$words[2] $words[CURRENT-1]" in
${choicesOf(commands)
  .map(({ command, long, choices }) => `    ${quoted(`${command} ${long}`)}) compadd -- ${choices.join(' ')}; return ;;\n`)
  .join('')}    *" --config"|*" --bootstrap") _files; return ;;
  esac
  case "$words[2]" in
${commands.map((command) => `    ${command.name}) compadd -- ${wordsOf(command).join(' ')} ;;\n`).join('')}  esac
}
compdef _spiffe_sds spiffe-sds
`.replace('local -a commands words', 'local -a commands');
}

function fish(commands: readonly Completed[]): string {
  const lines = commands.flatMap((command) => [
    `complete -c spiffe-sds -n __fish_use_subcommand -f -a ${command.name} -d ${quoted(command.description)}`,
    ...command.words.map((word) => `complete -c spiffe-sds -n ${of(command)} -f -a ${word}`),
    ...command.options.map(({ long = '', description, argChoices, required }) => {
      const value = argChoices === undefined ? (required ? ' -r' : '') : ` -x -a ${quoted(argChoices.join(' '))}`;
      return `complete -c spiffe-sds -n ${of(command)} -l ${long.slice(2)}${value} -d ${quoted(description)}`;
    }),
  ]);
  return `# fish completion of spiffe-sds: spiffe-sds completion fish | source\n${lines.join('\n')}\n`;
}

function of({ name }: Completed): string {
  return quoted(`__fish_seen_subcommand_from ${name}`);
}

function wordsOf({ words, options }: Completed): readonly string[] {
  return [...words, ...options.flatMap(({ long }) => long ?? []), '--help'];
}

function choicesOf(commands: readonly Completed[]) {
  return commands.flatMap(({ name, options }) =>
    options.flatMap(({ long, argChoices }) =>
      long === undefined || argChoices === undefined ? [] : [{ command: name, long, choices: argChoices }],
    ),
  );
}

/** In single quotes, as all three shells take them. */
function quoted(text: string): string {
  return `'${text.replaceAll("'", '’')}'`;
}
