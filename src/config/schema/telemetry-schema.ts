/** The schemas of `admin`, of `telemetry` and of the audit target. For the form of messages see schema.ts. */
import * as z from 'zod';
import { type Endpoint, formatEndpoint, parseEndpoint } from '../../endpoint.ts';
import { textCodec } from '../values/codec.ts';
import { formatDuration, parseWait } from '../values/duration.ts';
import { described } from './described.ts';
import { DURATION } from './texts.ts';

const COUNT = 'a whole number from 0';
const HOST = 'a host name without a port';
const FILE = 'the path of a file';

export const DEFAULT_ADMIN_LISTEN = '127.0.0.1:8082';

/** Where the admin API or the probe server listens. */
export type AdminListen = Endpoint | 'off';

/** Where audit lines go. */
export type AuditTarget = 'off' | 'stdout' | 'otlp' | { readonly path: string };

export const adminSettings = z
  .strictObject({
    listen: described(textCodec<AdminListen>(parseAdminListen, formatAdminListen).prefault(DEFAULT_ADMIN_LISTEN), {
      description:
        'IP:PORT, or unix:///absolute/path with the mode and group of the SDS socket, or "" for none. An address that is taken is tried again.',
      title: 'address',
      examples: [DEFAULT_ADMIN_LISTEN, 'unix:///run/spiffe-sds/admin.sock'],
    }),
    remote: described(z.boolean().default(false), {
      description:
        'Whether it may listen on an address that other machines reach. They can read names, identities and peers then.',
    }),
    probes: described(textCodec<AdminListen>(parseAdminListen, formatAdminListen).prefault(''), {
      description:
        'A second listener, for whoever may reach it, as a kubelet: it answers /livez, /readyz and /startupz alone, without reasons. "" for none.',
      title: 'address',
      examples: ['0.0.0.0:8083'],
    }),
    probes_metrics: described(z.boolean().default(false), {
      description: 'Whether that listener answers /metrics, too, which names identities.',
    }),
    hosts: described(
      z
        .array(z.string().regex(/^[^\s:/]+$/, HOST), 'a list of host names')
        .readonly()
        .default([]),
      {
        description: 'Host names, without a port, by which a request may name it, beside localhost and every IP address.',
        title: 'list of host names',
      },
    ),
  })
  .readonly();

export const telemetrySettings = z
  .strictObject({
    otlp: described(
      z
        .strictObject({
          endpoint: described(textCodec<string>(parseOtlpEndpoint, (endpoint) => endpoint).optional(), {
            description:
              'The collector: http://HOST:PORT, https://HOST:PORT or unix:///absolute/path. Without it nothing is exported.',
            title: 'OTLP endpoint',
            pattern: '^(https?://[^/]|unix:/)',
            examples: ['http://127.0.0.1:4317'],
          }),
          protocol: described(z.enum(['grpc', 'http/protobuf']).optional(), {
            description: 'Default: grpc for port 4317 and for a Unix socket, otherwise http/protobuf.',
          }),
          headers: described(z.record(z.string(), z.string()).readonly().default({}), {
            description: 'Sent with each export. Their values are never shown.',
            title: 'mapping of names to values',
          }),
          ca: described(z.string().min(1, FILE).optional(), {
            description: "A PEM file with the authorities of the collector's certificate, read at start.",
            title: 'path',
          }),
          client_certificate: described(z.string().min(1, FILE).optional(), {
            description: 'A PEM file with the certificate that is shown to the collector, read at start.',
            title: 'path',
          }),
          client_key: described(z.string().min(1, FILE).optional(), {
            description: "A PEM file with that certificate's key, read at start.",
            title: 'path',
          }),
          timeout: described(textCodec((text) => parseWait(text), formatDuration).prefault('10s'), {
            ...DURATION,
            description: 'How long one export may take. 1ms to 24d.',
          }),
          traces: described(z.boolean().default(true), { description: 'Whether traces are exported.' }),
          metrics: described(z.boolean().default(true), { description: 'Whether metrics are exported.' }),
          logs: described(z.boolean().default(false), { description: 'Whether the lines of the log are exported.' }),
          metric_interval: described(textCodec((text) => parseWait(text), formatDuration).prefault('1m'), {
            ...DURATION,
            description: 'How often metrics are exported. 1ms to 24d.',
          }),
          push_spans: described(z.int(COUNT).min(0, COUNT).default(32), {
            description: 'Pushes of one trace that get a span of their own. All pushes are counted, and each NACK has a span.',
          }),
        })
        .readonly()
        .prefault({}),
      { description: 'The export to a collector. The standard OTEL_* variables win over what stands here.' },
    ),
    prometheus: described(z.boolean().default(true), { description: 'Whether the admin API serves /metrics.' }),
    resource: described(z.record(z.string(), z.string()).readonly().default({}), {
      description:
        'Attributes of the resource that metrics, traces and log records belong to. OTEL_RESOURCE_ATTRIBUTES and OTEL_SERVICE_NAME win over it.',
      title: 'mapping of names to values',
    }),
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
 * Checks an OTLP endpoint: a URL as in the OTLP exporter specification, or gRPC's form of a Unix socket.
 * @throws Error whose message says which forms are accepted
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
