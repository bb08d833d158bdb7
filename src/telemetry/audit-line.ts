/** Audit records as lines: one JSON object each. */
import type { Event } from '../events.ts';
import { type AuditEventType, type AuditRecord, actorOf, auditRecords, gone, timestampOf } from './audit.ts';

/** What begins a line for some readers, or commands a terminal, and is left as it is by JSON.stringify. */
const UNSAFE = /[\u007f-\u009f\u2028\u2029]/g;

/** Actors and resources are shared by many records. */
const known = new WeakMap<object, string>();

/**
 * The lines of an event, each with its end: of what happens for each push and each ACK without records in between, which would cost more
 * than the push itself.
 */
export function auditLines(event: Event, at: number): readonly string[] {
  if (event.type === 'secrets_pushed') {
    return [
      ...responseLines(event, event.secrets, at, 'secret.delivered', 'deliver'),
      ...responseLines(event, gone(event), at, 'secret.removed', 'remove'),
    ];
  }
  if (event.type === 'secrets_accepted') {
    return responseLines(event, [...event.secrets, ...gone(event)], at, 'secret.accepted', 'accept');
  }
  return auditRecords(event, at).map(auditLine);
}

/** Nonces are our own, and need no escaping. */
function responseLines(
  { peer, node, stream, method, nonce, update }: Event & { readonly type: 'secrets_pushed' | 'secrets_accepted' },
  secrets: readonly object[],
  at: number,
  type: AuditEventType,
  action: string,
): readonly string[] {
  if (secrets.length === 0) return [];
  const head = `{"timestamp":"${timestampOf(at)}","event_type":"${type}","actor":${shared(actorOf(peer, node))},"resource":`;
  const tail = `,"action":"${action}","result":"success","metadata":{"stream":${stream},"method":"${method}","nonce":"${nonce}","update":${update}}}\n`;
  return secrets.map((secret) => `${head}${shared(secret)}${tail}`);
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
