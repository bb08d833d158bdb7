/** Events as log lines: one line each, JSON for machines or text for people, with a stable `event` name. */
import { type DestinationStream, type Logger, pino } from 'pino';
import type { Event, EventListener, ResponseInfo } from '../events.ts';

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
      return 'warn';
    case 'bundle_rolled_out':
      return event.late === 0 ? 'info' : 'warn';
    case 'svid_received':
    case 'svid_rotated':
      return event.warning === undefined ? 'info' : 'warn';
    case 'stream_opened':
    case 'stream_subscribed':
    case 'stream_closed':
    case 'context_received':
    case 'secrets_pushed':
    case 'secrets_accepted':
      return 'debug';
    default:
      return 'info';
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

function sentence(event: Event): string {
  switch (event.type) {
    case 'listening':
      return `serving SDS on ${event.address}`;
    case 'draining':
      return `stopping: ending ${event.streams} streams`;
    case 'stopped':
      return 'stopped';
    case 'workload_api_connected':
      return `connected to the Workload API at ${event.address}`;
    case 'workload_api_lost':
      return `${event.meaning} (${event.address}: ${event.code}: ${event.details})${event.retryInMs === undefined ? ': not tried again, restart when it is mended' : ''}`;
    case 'context_received':
      return `the Workload API sent ${event.svids} SVIDs and ${event.bundles} bundles`;
    case 'context_discarded':
      return `discarded a message of the Workload API, what came before stays in use: ${event.reason}`;
    case 'svid_received':
    case 'svid_rotated':
      return `${event.type === 'svid_received' ? 'received' : 'rotated'} ${event.id}, serial ${event.serial}${event.warning === undefined ? '' : `: ${event.warning}`}`;
    case 'svid_withdrawn':
      return `withdrew ${event.id}: ${event.reason}`;
    case 'bundle_updated':
      return `bundle of ${event.trustDomain} has ${event.authorities} authorities`;
    case 'bundle_withdrawn':
      return `withdrew the bundle of ${event.trustDomain}: ${event.reason}`;
    case 'bundle_left_out':
      return `left out the bundle of ${event.trustDomain}: ${event.reason}`;
    case 'crl_left_out':
      return `left out a CRL${event.trustDomain === undefined ? '' : ` of ${event.trustDomain}: revoked peers of it are accepted`}: ${event.reason}`;
    case 'svid_expiring':
      return `${event.id} was not rotated in time, it expires at ${new Date(event.notAfter).toISOString()}: look at the Workload API`;
    case 'svid_expired':
      return `${event.id} has expired at ${new Date(event.notAfter).toISOString()}: not served to new subscribers, Envoys that have it keep it`;
    case 'trust_domain_distrusted':
      return `${event.trustDomain} is not trusted any more: Envoys get a validation context that accepts none of its peers`;
    case 'configuration_reloaded':
      return `applied the changed configuration: ${event.changed.join(', ') || 'nothing changed'}${event.needRestart.length === 0 ? '' : `; after a restart: ${event.needRestart.join(', ')}`}`;
    case 'configuration_rejected':
      return `the changed configuration is not used, the one before stays in force: ${event.reason}`;
    case 'stream_opened':
      return `stream ${event.stream} opened`;
    case 'stream_subscribed':
      return `stream ${event.stream} of node ${quoted(event.node)} asks for ${event.subscription === 'names' ? event.names.join(', ') : event.subscription}`;
    case 'stream_closed':
      return `stream ${event.stream} closed: ${event.reason}`;
    case 'names_held':
      return heldSentence(event);
    case 'type_ignored':
      return `node ${quoted(event.node)} asks for ${quoted(event.typeUrl)} on an aggregated stream: only secrets are served here`;
    case 'secrets_pushed':
      return `sent ${contentOf(event)} on stream ${event.stream}`;
    case 'secrets_accepted':
      return `node ${quoted(event.node)} accepted ${contentOf(event)}`;
    case 'secrets_rejected':
      return `node ${quoted(event.node)} rejected ${contentOf(event)}: ${event.reason}`;
    case 'bundle_rollout':
      return `a CA roll: certificates wait until ${event.waiting} streams have taken the new bundle`;
    case 'bundle_rolled_out':
      return `a CA roll: certificates go out${event.late === 0 ? '' : `, although ${event.late} streams have not answered in time`}`;
    case 'connection_refused':
      return `refused a connection: there are ${event.limit} already (sds.limits.connections)`;
  }
}

/** A name that there is and that is held all the same cannot be said in the form that this Envoy gets. */
function heldSentence({ names, available, node }: Event & { readonly type: 'names_held' }): string {
  const unsayable = names.filter((name) => available.includes(name));
  const unknown = names.filter((name) => !available.includes(name));
  const reasons = [
    ...(unknown.length === 0
      ? []
      : [`no secret named ${unknown.join(', ')}: held until there is one; there is now: ${available.join(', ') || 'none'}`]),
    ...(unsayable.length === 0
      ? []
      : [
          `${unsayable.join(', ')}: held, for several trust domains do not go into one trusted_ca (validation.unsafe_merge would let them)`,
        ]),
  ];
  return `for node ${quoted(node)}: ${reasons.join('; ')}`;
}

function contentOf({ secrets, removed }: ResponseInfo): string {
  const sent = secrets.map(({ name, version }) => `${name}@${version}`);
  return [...sent, ...removed.map((name) => `${name} (removed)`)].join(', ');
}

function quoted(node: string): string {
  return JSON.stringify(node);
}
