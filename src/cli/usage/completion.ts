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
  /** It runs when no command is named. */
  readonly isDefault: boolean;
}

/**
 * Prints a script that the shell is to read.
 * @param defaultCommand the command that runs when none is named
 */
export function completion(program: Command, shell: Shell, defaultCommand: string): void {
  const commands = program.commands.map((command) => ({
    name: command.name(),
    description: command.summary(),
    isDefault: command.name() === defaultCommand,
    options: command.options,
    words: [
      ...command.commands.map((one) => one.name()),
      ...command.registeredArguments.flatMap(({ argChoices = [] }) => argChoices),
    ],
  }));
  process.stdout.write({ bash, zsh, fish }[shell](commands));
}

/** What the first word may be beside a command: options of the command that runs when none is named. */
const ALWAYS = ['--help', '--version'];
/** Options whose value is a file. */
const FILES = ['--config', '--bootstrap'];

function bash(commands: readonly Completed[]): string {
  return `# bash completion of spiffe-sds: source <(spiffe-sds completion bash)
_spiffe_sds() {
  local word=\${COMP_WORDS[COMP_CWORD]} before=\${COMP_WORDS[COMP_CWORD-1]} command=\${COMP_WORDS[1]}
  COMPREPLY=()
  # --output=json is three words.
  if [ "$word" = = ]; then
    word=
  elif [ "$before" = = ]; then
    before=\${COMP_WORDS[COMP_CWORD-2]}
  fi
  if [ "$COMP_CWORD" -eq 1 ]; then
    COMPREPLY=($(compgen -W "${firstWords(commands).join(' ')}" -- "$word"))
    return
  fi
  case $command in -*) command=${defaultOf(commands)?.name ?? ''} ;; esac
  case "$command $before" in
${choicesOf(commands)
  .map(
    ({ command, long, choices }) =>
      `    "${command} ${long}") COMPREPLY=($(compgen -W "${choices.join(' ')}" -- "$word")); return ;;\n`,
  )
  .join('')}${FILES.map((long) => `    *" ${long}") COMPREPLY=($(compgen -f -- "$word")); return ;;\n`).join('')}${freeOf(
  commands,
)
  .map((one) => `    "${one}") return ;;\n`)
  .join('')}  esac
  case $command in
${commands.map((command) => `    ${command.name}) COMPREPLY=($(compgen -W "${wordsOf(command).join(' ')}" -- "$word")) ;;\n`).join('')}  esac
}
complete -F _spiffe_sds spiffe-sds
`;
}

function zsh(commands: readonly Completed[]): string {
  const first = defaultOf(commands);
  return `#compdef spiffe-sds
# zsh completion of spiffe-sds: source <(spiffe-sds completion zsh)
_spiffe_sds() {
  local -a commands
  local command=$words[2]
  if (( CURRENT == 2 )); then
    commands=(${commands.map(({ name, description }) => quoted(`${name}:${description}`)).join(' ')})
    _describe command commands
    compadd -- ${[...ALWAYS, ...(first === undefined ? [] : longs(first))].join(' ')}
    return
  fi
  [[ $command == -* ]] && command=${first?.name ?? ''}
  case "$command $words[CURRENT-1]" in
${choicesOf(commands)
  .map(({ command, long, choices }) => `    ${quoted(`${command} ${long}`)}) compadd -- ${choices.join(' ')}; return ;;\n`)
  .join('')}${FILES.map((long) => `    *" ${long}") _files; return ;;\n`).join('')}${freeOf(commands)
  .map((one) => `    ${quoted(one)}) return ;;\n`)
  .join('')}  esac
  case $command in
${commands.map((command) => `    ${command.name}) compadd -- ${wordsOf(command).join(' ')} ;;\n`).join('')}  esac
}
compdef _spiffe_sds spiffe-sds
`;
}

function fish(commands: readonly Completed[]): string {
  const lines = commands.flatMap((command) => [
    `complete -c spiffe-sds -n __fish_use_subcommand -a ${command.name} -d ${quoted(command.description)}`,
    ...command.words.map((word) => `complete -c spiffe-sds -n ${isCommand(command)} -a ${word}`),
    ...command.options.map((option) => {
      const { long = '', description } = option;
      return `complete -c spiffe-sds -n ${isCommand(command)} -l ${long.slice(2)}${fishValue(option)} -d ${quoted(description)}`;
    }),
  ]);
  const always = ALWAYS.map((long) => `complete -c spiffe-sds -n __fish_use_subcommand -l ${long.slice(2)}`);
  const head = '# fish completion of spiffe-sds: spiffe-sds completion fish | source\ncomplete -c spiffe-sds -f\n';
  return `${head}${[...always, ...lines].join('\n')}\n`;
}

function fishValue({ long = '', argChoices, required }: Option): string {
  if (argChoices !== undefined) return ` -x -a ${quoted(argChoices.join(' '))}`;
  if (FILES.includes(long)) return ' -r -F';
  return required ? ' -x' : '';
}

function isCommand({ name, isDefault }: Completed): string {
  return quoted(`${isDefault ? '__fish_use_subcommand; or ' : ''}__fish_seen_subcommand_from ${name}`);
}

function defaultOf(commands: readonly Completed[]): Completed | undefined {
  return commands.find(({ isDefault }) => isDefault);
}

function firstWords(commands: readonly Completed[]): readonly string[] {
  const first = defaultOf(commands);
  return [...commands.map(({ name }) => name), ...ALWAYS, ...(first === undefined ? [] : longs(first))];
}

function wordsOf(command: Completed): readonly string[] {
  return [...command.words, ...longs(command), '--help'];
}

function longs({ options }: Completed): readonly string[] {
  return options.flatMap(({ long }) => long ?? []);
}

function choicesOf(commands: readonly Completed[]) {
  return commands.flatMap(({ name, options }) =>
    options.flatMap(({ long, argChoices }) =>
      long === undefined || argChoices === undefined ? [] : [{ command: name, long, choices: argChoices }],
    ),
  );
}

/** Options with a value that only the user knows: there is nothing to offer. */
function freeOf(commands: readonly Completed[]): readonly string[] {
  return commands.flatMap(({ name, options }) =>
    options.flatMap(({ long = '', required, argChoices }) =>
      required && argChoices === undefined && !FILES.includes(long) ? [`${name} ${long}`] : [],
    ),
  );
}

/** In single quotes, as all three shells take them. */
function quoted(text: string): string {
  return `'${text.replaceAll("'", '’')}'`;
}
