/** Log and audit lines as OpenTelemetry log records. */
import { type Attributes, type Logger, ROOT_CONTEXT, SeverityNumber } from '@opentelemetry/api';

/** One log record. */
export interface OtlpLogRecord {
  /** Milliseconds since the epoch, fractions included. */
  readonly at: number;
  readonly level: keyof typeof SEVERITIES;
  /** Stable name of what happened. */
  readonly event: string;
  /** A sentence. */
  readonly body: string;
  readonly attributes: Readonly<Record<string, LogValue>>;
}

/** A value as JSON has it. */
export type LogValue = string | number | boolean | null | readonly LogValue[] | { readonly [key: string]: LogValue };

const SEVERITIES = {
  debug: SeverityNumber.DEBUG,
  info: SeverityNumber.INFO,
  warn: SeverityNumber.WARN,
  error: SeverityNumber.ERROR,
} as const;

/** Gives one record to OpenTelemetry's logger. */
export function exportLog({ at, level, event, body, attributes }: OtlpLogRecord, logger: Logger): void {
  logger.emit({
    timestamp: at,
    eventName: event,
    severityNumber: SEVERITIES[level],
    severityText: level.toUpperCase(),
    body,
    attributes: attributes as Attributes,
    context: ROOT_CONTEXT,
  });
}
