/** Lines of the log and of the audit as records that OTLP carries. */
import type { AuditRecord } from '../audit/audit.ts';
import type { LogLine } from '../log/log.ts';
import type { LogValue, OtlpLogRecord } from './otlp-logs.ts';

/** @param at milliseconds since the epoch */
export function logRecord({ level, fields, message }: LogLine, at: number): OtlpLogRecord {
  const { event, ...attributes } = plain(fields);
  return { at, level, event: String(event), body: message, attributes };
}

/** What did not succeed is a warning. */
export function auditRecord({ timestamp, event_type, ...record }: AuditRecord): OtlpLogRecord {
  const level = record.result === 'success' ? 'info' : 'warn';
  const body = `${event_type}: ${record.result}`;
  return { at: Date.parse(timestamp), level, event: event_type, body, attributes: plain(record) };
}

/** As JSON says it: without methods, getters and what is undefined. */
function plain(value: object): Readonly<Record<string, LogValue>> {
  return JSON.parse(JSON.stringify(value));
}
