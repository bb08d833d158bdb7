/** Audit records as lines: one JSON object each. */
import type { Event } from '../events.ts';
import { type AuditEventType, type AuditRecord, actorOf, auditRecords, gone, timestampOf } from './audit.ts';

/** What begins a line for some readers, or commands a terminal, and is left as it is by JSON.stringify. */
const UNSAFE = /[\u007f-\u009f\u2028\u2029]/g;

/** Actors and resources are shared by many records. */
const known = new WeakMap<object, string>();

type Response = Event & { readonly type: 'secrets_pushed' | 'secrets_accepted' };

/**
 * The lines of an event, each with its end: of what happens for each push and each ACK without records in between, which would cost more
 * than the push itself.
 */
export function auditLines(event: Event, at: number, take: (line: string) => void): void {
  if (event.type === 'secrets_pushed') {
    responseLines(event, event.secrets, at, 'secret.delivered', 'deliver', take);
    if (event.removed.length > 0) responseLines(event, gone(event), at, 'secret.removed', 'remove', take);
  } else if (event.type === 'secrets_accepted') {
    responseLines(event, event.secrets, at, 'secret.accepted', 'accept', take);
    if (event.removed.length > 0) responseLines(event, gone(event), at, 'secret.accepted', 'accept', take);
  } else {
    for (const record of auditRecords(event, at)) take(auditLine(record));
  }
}

/** Nonces are our own, and need no escaping. */
function responseLines(
  { peer, node, stream, method, nonce, update }: Response,
  secrets: readonly object[],
  at: number,
  type: AuditEventType,
  action: string,
  take: (line: string) => void,
): void {
  const timestamp = timestampOf(at);
  const actor = shared(actorOf(peer, node));
  for (const secret of secrets) {
    take(
      `{"timestamp":"${timestamp}","event_type":"${type}","actor":${actor},"resource":${shared(secret)},"action":"${action}","result":"success","metadata":{"stream":${stream},"method":"${method}","nonce":"${nonce}","update":${update}}}\n`,
    );
  }
}

/** With the line's end. */
export function auditLine({ timestamp, event_type, actor, resource, action, result, metadata }: AuditRecord): string {
  const who = shared(actor);
  const what = shared(resource);
  const more = json(metadata);
  return `{"timestamp":"${timestamp}","event_type":"${event_type}","actor":${who},"resource":${what},"action":"${action}","result":"${result}","metadata":${more}}\n`;
}

function shared(value: object): string {
  let text = known.get(value);
  if (text === undefined) {
    text = json(value);
    known.set(value, text);
  }
  return text;
}

function json(value: object): string {
  return JSON.stringify(value).replace(UNSAFE, (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`);
}
