/** Events as log lines: one line each, JSON for machines or text for people, with a stable `event` name. */
import { type Logger, pino } from 'pino';
import { type Clock, isoTime, systemClock } from '../../clock.ts';
import type { Event, EventListener } from '../../events.ts';
import { escaped, printable, shortened } from '../../printable.ts';
import { standardOutput } from '../output.ts';
import { Repeats } from './repeats.ts';
import { MAX_LISTED, sentence } from './sentence.ts';
import { subjectOf } from './subject.ts';

export interface LogOptions {
  readonly level: 'trace' | 'debug' | 'info' | 'warn' | 'error' | 'silent';
  readonly format: 'json' | 'text';
}

export interface Log {
  readonly events: EventListener;
  /** From now on. */
  setLevel(level: LogOptions['level']): void;
}

/**
 * Logs go to stderr: stdout is for the output of a command. If nobody reads the log, nothing waits for it.
 * @param also takes each line, too
 */
export async function openLog({ level, format }: LogOptions, also?: (line: LogLine) => void): Promise<Log> {
  const form = format === 'text' ? await prettyForm() : (line: string) => line;
  const output = standardOutput(2);
  let lost = 0;
  const write = (line: string) => {
    if (!output.write(form(escaped(line)))) {
      lost += 1;
    } else if (lost > 0) {
      const lines = lost;
      lost = 0;
      log.error({ event: 'log_dropped', lines }, `lost ${lines} lines of this log: stderr was not read in time`);
    }
  };
  const log = pino({ level, base: null, timestamp: pino.stdTimeFunctions.isoTime }, { write });
  return {
    events: logEvents(log, systemClock, also),
    setLevel(next) {
      log.level = next;
    },
  };
}

async function prettyForm(): Promise<(line: string) => string> {
  // Bundled, its only export is the default one.
  const { default: pretty } = await import('pino-pretty');
  return pretty.prettyFactory({ colorize: process.stderr.isTTY, hideObject: true, translateTime: 'SYS:HH:MM:ss.l' });
}

export interface LogLine {
  readonly level: 'debug' | 'info' | 'warn' | 'error';
  /** `event`, and what belongs to it. */
  readonly fields: object;
  /** A sentence. */
  readonly message: string;
}

/** Characters. A peer chooses names and its node's id; what an operator wrote fits. */
const MAX_MESSAGE = 2_048;
const MAX_VALUE = 1_024;

/** pino's own. */
const LEVELS = { debug: 20, info: 30, warn: 40, error: 50 } as const;

/** Adds a line to `log` for each event, except for repeats: see repeats.ts. */
export function logEvents(log: Logger, clock: Clock = systemClock, also?: (line: LogLine) => void): EventListener {
  const write = (line: LogLine) => {
    log[line.level](line.fields, line.message);
    also?.(line);
  };
  const repeats = new Repeats<LogLine>({
    clock,
    write,
    writeRepeated({ level, fields, message }, repeated, alike) {
      const more = `(${repeated} more ${alike ? 'like this' : 'of its kind'} in the last minute)`;
      write({ level, fields: { ...fields, repeated }, message: `${message} ${more}` });
    },
  });
  return (event) => {
    if (event.type === 'stopped') repeats.flush();
    const level = levelOf(event);
    if (LEVELS[level] < log.levelVal) return;
    const { type, ...fields } = event;
    const message = shortened(printable(sentence(event)), MAX_MESSAGE);
    const subject = subjectOf(event, message);
    const line = { level, fields: { event: type, ...readable(fields) }, message };
    if (subject === undefined) write(line);
    else repeats.hear(subject.kind, subject.about, line);
  };
}

function levelOf(event: Event): LogLine['level'] {
  switch (event.type) {
    // First, because they happen on each stream: a switch compares from the top.
    case 'secrets_pushed':
    case 'secrets_accepted':
    case 'stream_opened':
    case 'stream_subscribed':
    case 'stream_closed':
      return 'debug';
    case 'context_discarded':
    case 'secrets_rejected':
    case 'svid_expired':
    case 'trust_domain_left_out':
    case 'configuration_rejected':
    case 'audit_failed':
    case 'audit_dropped':
    case 'admin_failed':
    case 'socket_lost':
    case 'jwks_failed':
      return 'error';
    case 'token_failed':
    case 'jwt_bundles_refused':
      return event.retried ? 'warn' : 'error';
    case 'workload_api_lost':
      return event.retryInMs === undefined ? 'error' : 'warn';
    case 'workload_api_conflict':
    case 'svid_withdrawn':
    case 'bundle_withdrawn':
    case 'certificate_left_out':
    case 'bundle_left_out':
    case 'crl_left_out':
    case 'svid_expiring':
    case 'svid_not_yet_valid':
    case 'trust_domain_distrusted':
    case 'names_held':
    case 'peer_processes_by_pid':
    case 'peer_credentials_unavailable':
    case 'process_open':
    case 'telemetry_failed':
    case 'workload_refused':
    case 'connection_refused':
    case 'connection_not_http2':
    case 'connection_broken':
    case 'request_malformed':
    case 'stream_denied':
    case 'access_denied':
    case 'socket_unprotected':
    case 'audit_omitted':
    case 'token_withdrawn':
    case 'jwt_bundle_withdrawn':
    case 'jwt_bundle_left_out':
    case 'jwt_key_left_out':
      return 'warn';
    case 'context_received':
      // A process of a node that no entry is for: SPIRE has no error for that.
      return event.workload !== undefined && event.svids === 0 ? 'warn' : 'debug';
    case 'bundle_rolled_out':
      return event.late === 0 ? 'info' : 'warn';
    case 'svid_received':
    case 'svid_rotated':
    case 'svid_chain_changed':
    case 'bundle_updated':
      return event.warning === undefined ? 'info' : 'warn';
    case 'token_received':
    case 'token_rotated':
    case 'jwt_bundle_updated':
    case 'jwks_listening':
    case 'listening':
    case 'socket_restored':
    case 'telemetry_recovered':
    case 'audit_recovered':
    case 'admin_listening':
    case 'draining':
    case 'stopped':
    case 'workload_begun':
    case 'workload_ended':
    case 'workload_api_connected':
    case 'workload_apis':
    case 'workload_api_conflict_over':
    case 'svid_valid':
    case 'configuration_reloaded':
    case 'type_ignored':
    case 'bundle_rollout':
      return 'info';
    default:
      return 'debug';
  }
}

/** Field names as in configuration and specifications, times as people read them; of what is long, only the beginning. */
function readable(fields: object): object {
  const entries = Object.entries(fields).map(([key, value]) => [
    key.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`),
    key === 'notAfter' || key === 'from' ? isoTime(value) : bounded(value),
  ]);
  return Object.fromEntries(entries);
}

function bounded(value: unknown): unknown {
  if (typeof value === 'string') return shortened(value, MAX_VALUE);
  return Array.isArray(value) ? fitting(value.slice(0, MAX_LISTED)) : value;
}

/** The first of a list, as many as a value may be long, and one in any case. */
function fitting(list: readonly unknown[]): readonly unknown[] {
  let length = 0;
  return list.map(bounded).filter((item, i) => {
    length += JSON.stringify(item).length;
    return i === 0 || length <= MAX_VALUE;
  });
}
