/** The commands and their options; what they do is imported when it is asked for. */
import { Argument, Command, CommanderError, Option } from 'commander';
import { nearest } from '../config/values/nearest.ts';
import { ERRORS, messageOf, SpiffeSdsError } from '../error.ts';
import { version } from '../version.ts';
import { explain } from './usage/examples.ts';

const VERSION = `spiffe-sds ${version} (Node ${process.version}, ${process.platform}/${process.arch})`;
const LOG_LEVELS = ['trace', 'debug', 'info', 'warn', 'error', 'silent'];
const LOG_FORMATS = ['text', 'json'];
const FAILED = 1;
const WRONG_USAGE = 2;

/** Runs the command line and sets the exit code: 0 done, 1 failed while running, 2 wrong usage or configuration. */
export async function run(argv: readonly string[]): Promise<void> {
  try {
    await createProgram().parseAsync([...argv]);
  } catch (error) {
    if (error instanceof CommanderError) {
      process.exitCode = error.exitCode === 0 ? 0 : WRONG_USAGE;
      return;
    }
    process.stderr.write(`spiffe-sds: ${messageOf(error)}\n`);
    if (!(error instanceof SpiffeSdsError)) process.stderr.write(`${error instanceof Error ? error.stack : ''}\n`);
    process.exitCode = error instanceof SpiffeSdsError ? ERRORS[error.code].exitCode : FAILED;
  }
}

function createProgram(): Command {
  const program = new Command('spiffe-sds')
    .description('Serves SPIFFE identities to Envoy over the Secret Discovery Service.')
    .version(VERSION, '-v, --version', 'version, Node, platform')
    .exitOverride()
    .showHelpAfterError('(spiffe-sds --help tells the commands, spiffe-sds COMMAND --help their options)');

  withConfigurationOptions(program.command('serve', { isDefault: true }))
    .summary('the sidecar: Workload API in, SDS out (the default command)')
    .description(
      'Runs the sidecar: it takes identities from the Workload API and serves them to Envoy by SDS. This is what runs when no command is named.',
    )
    // As the default it is given whatever is no command.
    .allowExcessArguments()
    .action(async (flags, { args: [excess] }: Command) => {
      if (excess !== undefined) refuseExcess(program, excess);
      await (await import('./serve.ts')).serve(flags);
    });

  withConfigurationOptions(program.command('dev'))
    .summary('the sidecar with a development Workload API in front of it')
    .description(
      'Runs the sidecar with a development Workload API of its own, which has a small CA. It needs nothing else, and says what to try next.',
    )
    .option('--trust-domain <name>', 'trust domain of the development CA', 'example.org')
    .option('--id <path[=hint]>', 'path of an identity, and its hint; may be repeated (default: /backend and /frontend)', collect)
    .option('--dns <name>', 'a DNS name in every SVID, the first also as its common name; may be repeated', collect)
    .option('--federate <name>', 'a trust domain to federate with; may be repeated', collect)
    .option('--svid-ttl <duration>', 'how long an SVID is valid; it is rotated at half of that', '1h')
    .option('--ca-ttl <duration>', 'how long the CA is valid', '24h')
    .option('--node', 'node mode: a development broker says what the processes of each user may have')
    .option(
      '--workload <uid=path>',
      'with --node: the identity of a user; may be repeated (default: /workload for yourself)',
      collect,
    )
    .action(async (flags) => (await import('./dev.ts')).dev(flags));

  withConfigurationOptions(program.command('check'))
    .summary('checks a configuration, and prints the one in force')
    .description(
      'Prints the configuration that serve would use, with where each value comes from. Refuses what serve would refuse, and warns of what is legal and unwise.',
    )
    .action(async (flags) => (await import('./check.ts')).check(flags));

  program
    .command('get')
    .argument('[name...]', 'names of secrets; none: all that this socket offers')
    .summary('asks for secrets as an Envoy does')
    .description('Asks the sidecar for secrets as an Envoy does, and prints them without their keys.')
    .option('--config <file>', 'configuration file, for the address of the SDS socket')
    .option('--listen <uri>', 'the SDS socket (default: SPIFFE_SDS_LISTEN, or unix:///run/spiffe-sds/sds.sock)')
    .addOption(new Option('--output <format>', 'how to print').choices(['text', 'json', 'yaml', 'pem']).default('text'))
    .option(
      '--jwt <audience>',
      'header and claims of the token for that audience (names.jwt_audiences); may be repeated',
      collect,
    )
    .option('--show-token', 'the tokens themselves, too: whoever sees one can use it')
    .option('--watch', 'go on and print each new version')
    .option('--timeout <duration>', 'how long to wait for every name', '5s')
    .action(async (names, flags) => (await import('./get.ts')).get(names, flags));

  program
    .command('status')
    .summary('what the running sidecar knows')
    .description(
      'Prints what the running sidecar knows: identities and when they end, names, which Envoy has which version, what is held, the Workload API.',
    )
    .option('--config <file>', 'configuration file, for the addresses of the sidecar')
    .option('--listen <uri>', 'the SDS socket of the sidecar that is meant (SPIFFE_SDS_LISTEN)')
    .option('--admin <uri>', 'the admin API: IP:PORT or unix:///… (default: SPIFFE_SDS_ADMIN, admin.listen, or 127.0.0.1:8082)')
    .addOption(new Option('--output <format>', 'how to print').choices(['text', 'json', 'yaml']).default('text'))
    .option('--watch', 'print it again every two seconds, until Ctrl-C')
    .option('--ready', 'only whether it is ready, in one line; the exit code says it too: for health checks')
    .action(async ({ ready, ...flags }) =>
      ready === true ? (await import('./ready.ts')).ready(flags) : (await import('./status.ts')).status(flags),
    );

  withConfigurationOptions(program.command('doctor'))
    .summary('says what is broken between the Workload API and Envoy')
    .description(
      'Walks the way from the Workload API to Envoy, and says what is broken and how to mend it. Exit code 1: something is.',
    )
    .option('--bootstrap <file>', "an Envoy's bootstrap, YAML or JSON, to judge, too")
    .option('--envoy-admin <url>', "a running Envoy's admin interface: http://127.0.0.1:9901")
    .option('--uid <number>', 'the user whose Envoy is to connect')
    .option('--gid <number>', 'its group')
    .addOption(new Option('--output <format>', 'how to print').choices(['text', 'json']).default('text'))
    .action(async (flags) => (await import('./doctor.ts')).doctor(flags));

  program
    .command('bootstrap')
    .argument('<spiffe-id>', "the workload's own SPIFFE ID")
    .summary('prints an Envoy bootstrap that works as it is')
    .description(
      'Prints an Envoy bootstrap for mutual TLS with secrets of the sidecar. It works as it is, with Envoy 1.36 to 1.40.',
    )
    .option('--config <file>', 'configuration file, for the address of the SDS socket')
    .option('--listen <uri>', 'the SDS socket (SPIFFE_SDS_LISTEN)')
    .addOption(
      new Option('--role <role>', 'whether this Envoy is called, calls, or both')
        .choices(['server', 'client', 'both'])
        .default('server'),
    )
    .option('--peer <spiffe-id>', 'whom the client calls')
    .option('--upstream <address>', 'where the client calls: IP:PORT', '127.0.0.1:8443')
    .option(
      '--bundle <name>',
      'the secret that peers are verified with (default: the bundle of the own trust domain; with --federate: ALL)',
    )
    .option('--federate <name>', 'a trust domain whose workloads may connect, too; may be repeated', collect)
    .option('--allow <spiffe-id>', 'who may call (RBAC); may be repeated (default: whoever may connect)', collect)
    .option('--jwt-audience <audience>', 'callers need a token (JWT-SVID) for this audience, too')
    .option('--jwks <uri>', 'the socket of the keys of tokens (jwks.listen, or unix:///run/spiffe-sds/jwks.sock)')
    .option('--token-audience <audience>', 'the client shows a token for this audience (names.jwt_audiences)')
    .option('--delta', 'delta SDS (default: state of the world)')
    .option('--ads', 'one aggregated stream for the secrets of listeners (default: a stream for each secret)')
    .option('--server-port <port>', 'the port of mutual TLS', '8443')
    .option('--client-port <port>', 'the plain port on loopback, for the client', '8080')
    .option('--admin-port <port>', "Envoy's admin interface, on loopback", '9901')
    .addOption(new Option('--output <format>', 'how to print').choices(['yaml', 'json']).default('yaml'))
    .action(async (svid, flags) => (await import('./bootstrap.ts')).bootstrap(svid, flags));

  program
    .command('config')
    .summary('about the configuration file')
    .description('About the configuration file.')
    .command('schema')
    .summary('prints its JSON Schema')
    .description('Prints the JSON Schema of the configuration file.')
    .action(async () => (await import('./config-schema.ts')).configSchema());

  program
    .command('completion')
    .summary('prints a script for bash, zsh or fish')
    .description('Prints a script that completes commands, options and values in a shell.')
    .addArgument(new Argument('<shell>', 'which one').choices(['bash', 'zsh', 'fish']))
    .action(async (shell) => (await import('./usage/completion.ts')).completion(program, shell, 'serve'));

  program
    .command('version')
    .summary('version, Node, platform')
    .description('Prints the version, that of Node, and the platform.')
    .action(() => {
      process.stdout.write(`${VERSION}\n`);
    });

  explain(program);
  return program;
}

function refuseExcess(program: Command, word: string): never {
  if (program.args[0] === 'serve') program.error(`error: serve takes no argument, and there is '${word}'`);
  const meant = nearest(
    word,
    program.commands.map((command) => command.name()),
  );
  program.error(`error: unknown command '${word}'${meant === undefined ? '' : `\n(Did you mean ${meant}?)`}`);
}

function withConfigurationOptions(command: Command): Command {
  return command
    .option('--config <file>', 'configuration file (SPIFFE_SDS_CONFIG)')
    .option('--workload-api <uri>', 'the Workload API: unix:///… or tcp://IP:PORT (SPIFFE_ENDPOINT_SOCKET)')
    .option('--listen <uri>', 'the SDS socket: unix:///… (SPIFFE_SDS_LISTEN)')
    .option('--admin <uri>', 'the admin API: IP:PORT or unix:///…, "" for none (SPIFFE_SDS_ADMIN)')
    .addOption(offering(LOG_LEVELS, '--log-level <level>', 'the least important lines that are logged (SPIFFE_SDS_LOG_LEVEL)'))
    .addOption(offering(LOG_FORMATS, '--log-format <format>', 'how they are written (SPIFFE_SDS_LOG_FORMAT)'));
}

/** Its help and completion tell these values; what is taken, the configuration says, in whichever way it is given. */
function offering(values: readonly string[], flags: string, description: string): Option {
  const option = new Option(flags, description);
  option.argChoices = [...values];
  return option;
}

function collect(value: string, earlier: readonly string[] = []): readonly string[] {
  return [...earlier, value];
}
