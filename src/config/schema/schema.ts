/**
 * What a configuration may hold. The message of every rule here is the end of the sentence "expected …"; only the rules that have the
 * code `custom` speak a whole sentence.
 */
import * as z from 'zod';
import { type Endpoint, formatEndpoint, parseEndpoint } from '../../endpoint.ts';
import { DEFAULT_LISTEN } from '../source/sources.ts';
import { textCodec } from '../values/codec.ts';
import { formatDuration, parseDuration } from '../values/duration.ts';
import { PRESET_NAMES, PRESETS } from '../values/presets.ts';
import { formatSize, parseSize } from '../values/size.ts';
import { audiences, namedSecret, secretName, validationMode } from './named-secret-schema.ts';
import { adminSettings, auditTarget, telemetrySettings } from './telemetry-schema.ts';

// It is read once: to compile the checks would take longer than they do.
z.config({ jitless: true });

const MODE = 'an octal string like "0660"';
const GROUP = 'the name of a group or a gid';
const COUNT = 'a whole number from 1';
const PATTERN = 'a pattern like "*.example.org"';
const PATTERNS = 'a list of patterns like "*.example.org"';
/** One less than the value with which chown(2) leaves the group alone. */
const MAX_GID = 0xfffffffe;

type UnixEndpoint = Endpoint & { readonly kind: 'unix' };
/** Where Envoys get the keys of JWT-SVIDs. */
export type JwksListen = UnixEndpoint | 'off';

const count = z.int(COUNT).min(1, COUNT);

const workloadEndpoint = textCodec<Endpoint>((text) => parseEndpoint(text), formatEndpoint);
const listenEndpoint = textCodec(parseSdsListen, formatEndpoint);
const jwksEndpoint = textCodec<JwksListen>(parseJwksListen, (listen) => (listen === 'off' ? '' : formatEndpoint(listen)));

const fileMode = z.codec(z.string(MODE).regex(/^0?[0-7]{3}$/, MODE), z.number(), {
  decode: (text) => Number.parseInt(text, 8),
  encode: (mode) => mode.toString(8).padStart(4, '0'),
});

const names = section({
  preset: z.enum(PRESET_NAMES).default('spire'),
  default_svid: secretName.default(PRESETS.spire.names.default_svid),
  default_bundle: secretName.default(PRESETS.spire.names.default_bundle),
  default_all_bundles: secretName.default(PRESETS.spire.names.default_all_bundles),
  on_demand: z.array(z.string().min(1, PATTERN), PATTERNS).readonly().default([]),
  answer_empty_request: z.boolean().default(true),
  jwt_audiences: audiences('a list of audiences').readonly().default([]),
});

/** The whole of it: `z.encode` gives back what a file would say. */
export const configurationSchema = z
  .strictObject({
    workload_api: section({ address: workloadEndpoint.optional() }).prefault({}),
    sds: section({
      listen: listenEndpoint.prefault(DEFAULT_LISTEN),
      mode: fileMode.prefault('0660'),
      group: z.union([z.string().min(1, GROUP), z.int(GROUP).min(0, GROUP).max(MAX_GID, GROUP)], GROUP).optional(),
      bundle_ack_timeout: textCodec(parseDuration, formatDuration).prefault('2s'),
      limits: section({
        connections: count.default(64),
        streams_per_connection: count.default(16_384),
        names_per_stream: count.default(1024),
        request_bytes: textCodec(parseSize, formatSize).prefault('1MiB'),
      }).prefault({}),
    }).prefault({}),
    names: names.prefault({}),
    validation: section({
      mode: validationMode.default('spiffe'),
      crl: z.boolean().default(true),
      unsafe_merge: z.boolean().default(false),
    }).prefault({}),
    on_permission_denied: z.enum(['withdraw', 'keep']).default('withdraw'),
    secrets: z.array(namedSecret, 'a list of secrets').readonly().default([]),
    jwks: section({ listen: jwksEndpoint.prefault('') }).prefault({}),
    admin: adminSettings.prefault({}),
    telemetry: telemetrySettings.prefault({}),
    log: section({
      level: z.enum(['trace', 'debug', 'info', 'warn', 'error', 'silent']).default('info'),
      format: z.enum(['json', 'text']).default('json'),
      audit: auditTarget.prefault('stdout'),
    }).prefault({}),
  })
  .readonly();

/** A configuration in force: addresses are endpoints, `sds.mode` is a number. */
export type Configuration = z.infer<typeof configurationSchema>;

/** The keys that may stand in the mapping at a path. */
export function knownKeys(path: readonly PropertyKey[]): readonly string[] {
  let schema: unknown = unwrap(configurationSchema);
  for (const key of path) {
    if (schema instanceof z.ZodArray) schema = unwrap(schema.element);
    else schema = schema instanceof z.ZodObject ? unwrap(schema.shape[String(key)]) : undefined;
  }
  return schema instanceof z.ZodObject ? Object.keys(schema.shape) : [];
}

function section<Shape extends z.ZodRawShape>(shape: Shape) {
  return z.strictObject(shape).readonly();
}

function unwrap(schema: unknown): unknown {
  const wrapped =
    schema instanceof z.ZodReadonly ||
    schema instanceof z.ZodPrefault ||
    schema instanceof z.ZodDefault ||
    schema instanceof z.ZodOptional;
  return wrapped ? unwrap(schema.unwrap()) : schema;
}

function parseSdsListen(text: string): UnixEndpoint {
  return parseUnixListen(text, 'over TCP the private keys would go to whoever connects');
}

function parseJwksListen(text: string): JwksListen {
  return text === '' ? 'off' : parseUnixListen(text, 'over TCP nobody could tell whose keys they are');
}

function parseUnixListen(text: string, reason: string): UnixEndpoint {
  const endpoint = parseEndpoint(text, { unixOnly: true });
  if (endpoint.kind === 'unix') return endpoint;
  throw new Error(`${formatEndpoint(endpoint)} cannot be served on: ${reason}; use a Unix socket: unix:///absolute/path`);
}
