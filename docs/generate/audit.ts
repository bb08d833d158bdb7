import { auditRecords } from '../../src/telemetry/audit/audit.ts';
import { AUDIT_EVENTS, type AuditEventType, type AuditRecord } from '../../src/telemetry/audit/audit-events.ts';
import { auditLine } from '../../src/telemetry/audit/audit-line.ts';
import { AUDITED } from './audited.ts';
import { code, fence, MADE } from './markdown.ts';

const AT = Date.UTC(2026, 10, 26, 9, 30);

const HEAD = `# Audit log

One JSON object a line: who did what to what, and how it ended. \`log.audit\` says where the lines go: stdout by default, a file, or OTLP log
records. No line holds a private key or a token, and of what an Envoy says it holds nothing that the Envoy quotes.

| field | |
|---|---|
| \`timestamp\` | RFC 3339, UTC, with milliseconds |
| \`event_type\` | what happened; the sections below. The names do not change |
| \`actor\` | who: \`component\` is \`spiffe-sds\`, \`workload_api\` or \`operator\`; an Envoy is told by \`connection\`, \`uid\`, \`gid\`, \`pid\` as the kernel knows them, and \`node\`, its node id. What is not known is absent |
| \`resource\` | to what: a secret is \`name\`, \`kind\` and \`version\`; one that a client was told is gone has a name only |
| \`action\` | what was done |
| \`result\` | \`success\`, \`failure\` or \`denied\` |
| \`metadata\` | what belongs to it. \`update\` is the same number for all that one change brought about; \`stream\` tells the streams of this process apart |

A file is made with mode 0640, and opened anew at SIGHUP. Fields that not every line of an event has stand in brackets.
`;

export function auditPage(): string {
  const records = AUDITED.flatMap((event) => auditRecords(event, AT));
  const sections = (Object.keys(AUDIT_EVENTS) as readonly AuditEventType[]).map((type) =>
    sectionOf(
      type,
      records.filter(({ event_type }) => event_type === type),
    ),
  );
  return [MADE, HEAD, ...sections].join('');
}

function sectionOf(type: AuditEventType, records: readonly AuditRecord[]): string {
  const [first] = records;
  if (first === undefined) throw new Error(`docs/generate/audited.ts has no event that is written as ${type}: add one`);
  const fields = (['actor', 'resource', 'metadata'] as const).map(
    (field) => `${field} ${keysOf(records.map((record) => record[field]))}`,
  );
  const all = (field: 'action' | 'result') => [...new Set(records.map((record) => record[field]))].map(code).join(', ');
  return [
    `\n## ${type}\n\n${AUDIT_EVENTS[type]}\n\n`,
    `*Fields:* ${fields.join('; ')}; action ${all('action')}; result ${all('result')}.\n\n`,
    fence('json', auditLine(first)),
  ].join('');
}

/** Of all records, those that some have not in brackets. */
function keysOf(parts: readonly object[]): string {
  const keys = [...new Set(parts.flatMap((part) => Object.keys(part)))];
  if (keys.length === 0) return 'none';
  return keys.map((key) => (parts.every((part) => Object.hasOwn(part, key)) ? code(key) : `[${code(key)}]`)).join(', ');
}
