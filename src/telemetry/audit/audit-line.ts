/** Audit records as lines: one JSON object each. */
import type { Event } from '../../events.ts';
import { escaped, shortened } from '../../printable.ts';
import { actorOf, auditRecords, gone, timestampOf } from './audit.ts';
import type { AuditRecord } from './audit-events.ts';

/** Characters: names are shorter, what an API says need not be. */
const MAX_VALUE = 4_096;

/** Actors and resources are shared by many records. */
const known = new WeakMap<object, string>();

/** Where lines go: whole, or in parts that were encoded before, with the number of a stream among them. */
export interface LineWriter {
  line(text: string): void;
  parts(head: Buffer, middle: Buffer, stream: number, tail: Buffer): void;
}

type Response = Event & { readonly type: 'secrets_pushed' | 'secrets_accepted' };

/**
 * The lines of an event, each with its end: of what happens for each push and each ACK without records in between, which would cost more
 * than the push itself.
 */
export function auditLines(event: Event, at: number, to: LineWriter): void {
  if (event.type === 'secrets_pushed') {
    responseLines(event, event.secrets, at, 'secret.delivered', 'deliver', to);
    if (event.removed.length > 0) responseLines(event, gone(event), at, 'secret.removed', 'remove', to);
  } else if (event.type === 'secrets_accepted') {
    responseLines(event, event.secrets, at, 'secret.accepted', 'accept', to);
    if (event.removed.length > 0) responseLines(event, gone(event), at, 'secret.accepted', 'accept', to);
  } else {
    for (const record of auditRecords(event, at)) to.line(auditLine(record));
  }
}

/** A change goes to a thousand streams of one Envoy, mostly under the same nonce: all that differs then is the number of the stream. */
function responseLines(
  response: Response,
  secrets: readonly object[],
  at: number,
  type: ResponseEventType,
  action: string,
  to: LineWriter,
): void {
  const actor = actorOf(response.peer, response.node);
  const head = headOf(timestampOf(at));
  const tail = tailOf(response);
  for (const secret of secrets) to.parts(head, middleOf(type, action, actor, secret), response.stream, tail);
}

type ResponseEventType = 'secret.delivered' | 'secret.removed' | 'secret.accepted';

let head = { timestamp: '', bytes: Buffer.alloc(0) };

function headOf(timestamp: string): Buffer {
  if (head.timestamp !== timestamp) head = { timestamp, bytes: Buffer.from(`{"timestamp":"${timestamp}",`) };
  return head.bytes;
}

interface Middle {
  readonly actor: object;
  readonly secret: object;
  readonly bytes: Buffer;
}

/** The last of each. */
const middles = new Map<ResponseEventType, Middle>();

function middleOf(type: ResponseEventType, action: string, actor: object, secret: object): Buffer {
  const before = middles.get(type);
  if (before?.actor === actor && before.secret === secret) return before.bytes;
  const text = `"event_type":"${type}","actor":${shared(actor)},"resource":${shared(secret)},"action":"${action}","result":"success","metadata":{"stream":`;
  const bytes = Buffer.from(text);
  middles.set(type, { actor, secret, bytes });
  return bytes;
}

let tail = { method: '', nonce: '', update: Number.NaN, bytes: Buffer.alloc(0) };

/** Nonces are our own, and need no escaping. */
function tailOf({ method, nonce, update }: Response): Buffer {
  if (tail.nonce !== nonce || tail.update !== update || tail.method !== method) {
    const bytes = Buffer.from(`,"method":"${method}","nonce":"${nonce}","update":${update}}}\n`);
    tail = { method, nonce, update, bytes };
  }
  return tail.bytes;
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
  const text = JSON.stringify(value);
  if (text.length <= MAX_VALUE) return escaped(text);
  return escaped(JSON.stringify(value, (_, part) => (typeof part === 'string' ? shortened(part, MAX_VALUE) : part)));
}
