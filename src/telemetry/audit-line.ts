/** Audit records as lines: one JSON object each. */
import type { AuditRecord } from './audit.ts';

/** What begins a line for some readers, or commands a terminal, and is left as it is by JSON.stringify. */
const UNSAFE = /[\u007f-\u009f\u2028\u2029]/g;

/** Actors and resources are shared by many records. */
const known = new WeakMap<object, string>();

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
