/** Events as log lines: one line each, JSON for machines or text for people, with a stable `event` name. */
import { type DestinationStream, type Logger, pino } from 'pino';
import type { Event, EventListener } from '../events.ts';
import { sentence } from './sentence.ts';

export interface LogOptions {
  readonly level: 'trace' | 'debug' | 'info' | 'warn' | 'error' | 'silent';
  readonly format: 'json' | 'text';
}

/** A name that a peer made up must not begin a line of its own, nor command a terminal. */
const CONTROL = /[\p{Cc}\p{Zl}\p{Zp}]+/gu;

type Level = 'debug' | 'info' | 'warn' | 'error';

export interface Log {
  readonly events: EventListener;
  /** From now on. */
  setLevel(level: LogOptions['level']): void;
}

/** Logs go to stderr: stdout is for what a command was asked to print. */
export async function openLog(options: LogOptions): Promise<Log> {
  const { level } = options;
  const log = pino({ level, base: null, timestamp: pino.stdTimeFunctions.isoTime }, await destination(options));
  return {
    events: logEvents(log),
    setLevel(next) {
      log.level = next;
    },
  };
}

async function destination({ format }: LogOptions): Promise<DestinationStream> {
  if (format === 'json') return pino.destination({ dest: 2, sync: true });
  const { default: pretty } = await import('pino-pretty');
  return pretty({
    destination: 2,
    sync: true,
    colorize: process.stderr.isTTY,
    hideObject: true,
    translateTime: 'SYS:HH:MM:ss.l',
  });
}

/** Adds a line to `log` for each event. */
export function logEvents(log: Logger): EventListener {
  return (event) => {
    const level = levelOf(event);
    if (!log.isLevelEnabled(level)) return;
    const { type, ...fields } = event;
    log[level]({ event: type, ...readable(fields) }, sentence(event).replace(CONTROL, ' '));
  };
}

function levelOf(event: Event): Level {
  switch (event.type) {
    case 'context_discarded':
    case 'secrets_rejected':
    case 'svid_expired':
    case 'configuration_rejected':
      return 'error';
    case 'workload_api_lost':
      return event.retryInMs === undefined ? 'error' : 'warn';
    case 'svid_withdrawn':
    case 'bundle_withdrawn':
    case 'bundle_left_out':
    case 'crl_left_out':
    case 'svid_expiring':
    case 'trust_domain_distrusted':
    case 'names_held':
    case 'connection_refused':
    case 'stream_denied':
      return 'warn';
    case 'bundle_rolled_out':
      return event.late === 0 ? 'info' : 'warn';
    case 'svid_received':
    case 'svid_rotated':
      return event.warning === undefined ? 'info' : 'warn';
    case 'listening':
    case 'draining':
    case 'stopped':
    case 'workload_api_connected':
    case 'bundle_updated':
    case 'configuration_reloaded':
    case 'type_ignored':
    case 'bundle_rollout':
      return 'info';
    default:
      return 'debug';
  }
}

/** Field names as in configuration and specifications, times as people read them. */
function readable(fields: object): object {
  const entries = Object.entries(fields).map(([key, value]) => [
    key.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`),
    key === 'notAfter' ? new Date(value).toISOString() : value,
  ]);
  return Object.fromEntries(entries);
}
