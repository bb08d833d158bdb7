/** What tells of the sidecar: `admin`, `telemetry` and where audit lines go. The messages are as in schema.ts. */
import * as z from 'zod';
import { type Endpoint, formatEndpoint, parseEndpoint } from '../endpoint.ts';
import { textCodec } from './codec.ts';
import { formatDuration, parseWait } from './duration.ts';

const COUNT = 'a whole number from 0';
const HOST = 'a host name without a port';

export const DEFAULT_ADMIN_LISTEN = '127.0.0.1:8082';

/** Where the admin API, or what answers probes, listens. */
export type AdminListen = Endpoint | 'off';

/** Where audit lines go. */
export type AuditTarget = 'off' | 'stdout' | 'otlp' | { readonly path: string };

export const adminSettings = z
  .strictObject({
    listen: textCodec<AdminListen>(parseAdminListen, formatAdminListen).prefault(DEFAULT_ADMIN_LISTEN),
    remote: z.boolean().default(false),
    probes: textCodec<AdminListen>(parseAdminListen, formatAdminListen).prefault(''),
    probes_metrics: z.boolean().default(false),
    hosts: z
      .array(z.string().regex(/^[^\s:/]+$/, HOST), 'a list of host names')
      .readonly()
      .default([]),
  })
  .readonly();

export const telemetrySettings = z
  .strictObject({
    otlp: z
      .strictObject({
        endpoint: textCodec<string>(parseOtlpEndpoint, (endpoint) => endpoint).optional(),
        protocol: z.enum(['grpc', 'http/protobuf']).optional(),
        headers: z.record(z.string(), z.string()).readonly().default({}),
        ca: z.string().min(1, 'the path of a file').optional(),
        client_certificate: z.string().min(1, 'the path of a file').optional(),
        client_key: z.string().min(1, 'the path of a file').optional(),
        timeout: textCodec(parseWait, formatDuration).prefault('10s'),
        traces: z.boolean().default(true),
        metrics: z.boolean().default(true),
        logs: z.boolean().default(false),
        metric_interval: textCodec(parseWait, formatDuration).prefault('1m'),
        push_spans: z.int(COUNT).min(0, COUNT).default(32),
      })
      .readonly()
      .prefault({}),
    prometheus: z.boolean().default(true),
    resource: z.record(z.string(), z.string()).readonly().default({}),
  })
  .readonly();

export const auditTarget = textCodec<AuditTarget>(parseAuditTarget, (target) => {
  if (typeof target !== 'string') return target.path;
  return target === 'off' ? '' : target;
});

export function parseAdminListen(text: string): AdminListen {
  if (text === '') return 'off';
  return parseEndpoint(/^(unix|tcp):|^\//.test(text) ? text : `tcp://${text}`);
}

export function formatAdminListen(listen: AdminListen): string {
  if (listen === 'off') return '';
  return formatEndpoint(listen).replace(/^tcp:\/\//, '');
}

/**
 * The forms of the OTLP exporter specification, and gRPC's name of a Unix socket.
 * @throws a sentence
 */
export function parseOtlpEndpoint(text: string): string {
  const isUnix = text.startsWith('unix:') && parseEndpoint(text).kind === 'unix';
  if (isUnix || (/^https?:\/\/[^/]/.test(text) && URL.canParse(text))) return text;
  throw new Error(
    `not an OTLP endpoint: ${JSON.stringify(text)}: write http://HOST:PORT, https://HOST:PORT or unix:///absolute/path`,
  );
}

function parseAuditTarget(text: string): AuditTarget {
  if (text === '') return 'off';
  if (text === 'stdout' || text === 'otlp') return text;
  if (text.startsWith('/')) return { path: text };
  throw new Error(
    `audit lines cannot go to ${JSON.stringify(text)}: write stdout, otlp, the absolute path of a file, or "" for none`,
  );
}
