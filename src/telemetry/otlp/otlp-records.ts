/** Makes OTLP log records from lines of the log and of the audit. */
import type { AuditRecord } from '../audit/audit-events.ts';
import type { LogLine } from '../log/log.ts';
import type { LogValue, OtlpLogRecord } from './otlp-logs.ts';

/**
 * A line of the log as a record.
 * @param at when it was written: milliseconds since the epoch
 */
export function logRecord({ level, fields, message }: LogLine, at: number): OtlpLogRecord {
  const { event, ...attributes } = plain(fields);
  return { at, level, event: String(event), body: message, attributes };
}

/** An audit record as an OTLP record: `info` for success, else `warn`. */
export function auditRecord({ timestamp, event_type, ...record }: AuditRecord): OtlpLogRecord {
  const level = record.result === 'success' ? 'info' : 'warn';
  const body = `${event_type}: ${record.result}`;
  return { at: Date.parse(timestamp), level, event: event_type, body, attributes: plain(record) };
}

/** The value as JSON has it: without methods, getters and undefined. */
function plain(value: object): Readonly<Record<string, LogValue>> {
  return JSON.parse(JSON.stringify(value));
}
