/**
 * Options of Node that show what is in this process to others, or let others into it: left over from a search for a fault, as a rule. Whoever
 * sets them may also start another program; this is no protection against him, but against his forgetting them.
 */

/** What an option opens, and its names without `--`. Each stands for those that begin with it, too. */
const OPENS: readonly (readonly [what: string, names: RegExp])[] = [
  ['opens an inspector, which shows all memory', /^inspect(-brk|-wait)?$|^debug(-brk)?$/],
  ['writes the heap, and the keys in it, to a file', /^(heapsnapshot-|heap-prof)/],
  ['writes a report with the environment to a file', /^report-(on-|uncaught-)/],
  ['leaves a core file', /^abort-on-uncaught-exception$/],
  ['loads code that is not of the release', /^(require|r|import|loader|experimental-loader|eval|e|print|p|interactive|i)$/],
  ['sets variables, among them options, from a file', /^(env-file|experimental-(default-)?config-file)/],
  ['writes the keys of TLS connections to a file', /^tls-keylog$/],
  ['writes what is sent and received to the log', /^trace-(tls|event)/],
  ['starts others beside it', /^(watch|test)$/],
];

/** Variables of Node that do the same. */
const VARIABLES: Readonly<Record<string, string>> = {
  NODE_DEBUG: 'writes what is sent and received to the log',
  NODE_DEBUG_NATIVE: 'writes what is sent and received to the log',
  NODE_REPL_EXTERNAL_MODULE: 'loads code that is not of the release',
  NODE_V8_COVERAGE: 'writes files about what ran',
};

/**
 * @param execArgv what stood before the program's name
 * @returns a sentence for each that is there
 */
export function unsafeOptions(execArgv: readonly string[], env: Readonly<Record<string, string | undefined>>): readonly string[] {
  const inEnvironment = (env['NODE_OPTIONS'] ?? '').split(/\s+/).map((word) => word.replace(/^["']|["']$/g, ''));
  return [
    ...execArgv.flatMap((option) => told(option, 'on the command line')),
    ...inEnvironment.flatMap((option) => told(option, 'in NODE_OPTIONS')),
    ...Object.entries(VARIABLES).flatMap(([name, what]) => (env[name] ? [`${name} ${what}`] : [])),
  ];
}

function told(option: string, where: string): readonly string[] {
  if (!option.startsWith('-')) return [];
  const [flag = ''] = option.split('=');
  // Node takes either.
  const name = flag.replace(/^--?/, '').replaceAll('_', '-');
  const found = OPENS.find(([, names]) => names.test(name));
  return found === undefined ? [] : [`${flag} ${where} ${found[0]}`];
}
