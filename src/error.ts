/** What an error code means: docs/errors.md is made from it. */
interface ErrorMeaning {
  /** What went wrong, and where it shows. */
  readonly meaning: string;
  /** What the reader can do. */
  readonly remedy: string;
  /** The exit code of a command that it ends: 2 for wrong usage or configuration, 1 for anything else. */
  readonly exitCode: 1 | 2;
}

/** What can go wrong, for operators: every error of ours has one of these codes. They are stable. */
export const ERRORS = {
  config_invalid: {
    meaning:
      'The configuration cannot be used: an unknown key, a value of the wrong kind, two names that are the same, a group that does not exist, or no Workload API address. A start fails. A reload is refused, as the event `configuration_rejected`, and the configuration before it stays in force.',
    remedy: 'Each line of the message names a place and what is expected there. `spiffe-sds check` tests a file without serving.',
    exitCode: 2,
  },
  config_unreadable: {
    meaning: 'The configuration file cannot be read, or its folder cannot be watched for changes.',
    remedy:
      'Name a file that the user of the sidecar may read (`--config`, `SPIFFE_SDS_CONFIG`). When only watching fails, send SIGHUP after each change.',
    exitCode: 2,
  },
  endpoint_invalid: {
    meaning:
      'An address is not `unix:///absolute/path` or `tcp://IP:PORT`. One in the configuration is reported as a line of `config_invalid`.',
    remedy: 'Write what the message proposes.',
    exitCode: 2,
  },
  process_unsafe: {
    meaning:
      'Node was started with options that show what is in the process, its private keys among them, or that load other code into it. `serve` does not start.',
    remedy: 'Remove the options that the message names. `spiffe-sds dev`, which has keys of its own only, runs with them.',
    exitCode: 2,
  },
  usage: {
    meaning: 'A command was given a value that it cannot use.',
    remedy: 'Correct the flag that the message names; `spiffe-sds COMMAND --help` tells what it takes.',
    exitCode: 2,
  },
  spiffe_id_invalid: {
    meaning:
      'A text is not a SPIFFE ID, or not a trust domain. Of an SVID it discards the message of the Workload API, as the event `context_discarded`; of a federated bundle it leaves that out, as the event `bundle_left_out`. In the configuration it is reported as a line of `config_invalid`, in a flag of `dev` as `usage`.',
    remedy:
      'The message says which rule of the SPIFFE ID specification it breaks. Correct the configuration, or the registration entry in your SPIFFE implementation.',
    exitCode: 1,
  },
  response_invalid: {
    meaning:
      'A message of the Workload API lacks a mandatory field, or cannot be read. It is discarded, as the event `context_discarded`; what came before stays in use.',
    remedy: 'Look at the SPIFFE implementation that sent it: its version, and what else it serves.',
    exitCode: 1,
  },
  svid_invalid: {
    meaning:
      'An SVID does not follow the X509-SVID specification, or its key or chain does not fit. The message that holds it is discarded, as the event `context_discarded`. An expired one is not discarded.',
    remedy: 'Look at the CA that issued it: the message names the SVID and the rule.',
    exitCode: 1,
  },
  certificate_invalid: {
    meaning:
      "A certificate or a CRL does not parse, or has a form that Envoy refuses. Of an SVID's own certificate it discards the message, as the event `context_discarded`; others are left out.",
    remedy: 'Look at the CA that issued it: the message says what is wrong with its form.',
    exitCode: 1,
  },
  bundle_invalid: {
    meaning:
      "No certificate of a bundle can be used. Of an SVID's own trust domain it discards the message, as the event `context_discarded`; another one is left out, as the event `bundle_left_out`.",
    remedy:
      "Look at that trust domain's bundle, or at the federation with it: the message says what is wrong with each certificate.",
    exitCode: 1,
  },
  listen_failed: {
    meaning: 'The sidecar cannot listen on its socket.',
    remedy:
      'Stop the process that has it, give the user of the sidecar the right to write in its folder, or choose another path: `sds.listen`, `--listen`.',
    exitCode: 1,
  },
  credentials_unavailable: {
    meaning:
      'There are rules on who may have which secret (`sds.allow`), and the kernel cannot be asked who a peer is: this is not Linux, or koffi, with which it is asked, does not load. A start fails. A reload is refused, as the event `configuration_rejected`.',
    remedy: 'Install the package with its dependency koffi, or remove `sds.allow`: then the permissions of the socket decide.',
    exitCode: 1,
  },
  sds_failed: {
    meaning: '`spiffe-sds get` did not get what it asked for in time.',
    remedy: 'The message says which names there are. Look at the log of the sidecar for what the Workload API said.',
    exitCode: 1,
  },
  admin_failed: {
    meaning: '`spiffe-sds status` cannot ask the admin API: there is none, nobody answers, or it is that of another sidecar.',
    remedy: 'Name the one that is meant: `--admin`, `SPIFFE_SDS_ADMIN` or `admin.listen`.',
    exitCode: 1,
  },
} as const satisfies Readonly<Record<string, ErrorMeaning>>;

export type ErrorCode = keyof typeof ERRORS;

/** An error that says what was being done, to what, and what to change. Its message never holds a key or a token. */
export class SpiffeSdsError extends Error {
  override readonly name = 'SpiffeSdsError';
  readonly code: ErrorCode;

  constructor(code: ErrorCode, message: string, options?: ErrorOptions) {
    super(message, options);
    this.code = code;
  }
}

/** The message of anything that was thrown. */
export function messageOf(thrown: unknown): string {
  return thrown instanceof Error ? thrown.message : String(thrown);
}
