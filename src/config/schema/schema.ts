/**
 * The schema of the configuration. The message of each rule is the end of the sentence "expected …". Only rules with the code `custom` have
 * a whole sentence as their message.
 */
import * as z from 'zod';
import { type Endpoint, formatEndpoint, parseEndpoint } from '../../endpoint.ts';
import { DEFAULT_LISTEN } from '../source/sources.ts';
import { textCodec } from '../values/codec.ts';
import { formatDuration, parseWait } from '../values/duration.ts';
import { PRESET_NAMES, PRESETS } from '../values/presets.ts';
import { formatSize, parseSize } from '../values/size.ts';
import { allowRule } from './allow-schema.ts';
import { brokerSettings, nodeSettings } from './broker-schema.ts';
import { described } from './described.ts';
import { audiences, namedSecret, secretName, validationMode } from './named-secret-schema.ts';
import { adminSettings, auditTarget, telemetrySettings } from './telemetry-schema.ts';
import { DURATION, SIZE, UNIX_SOCKET } from './texts.ts';
import { workloadApiSettings } from './workload-api-schema.ts';

// The schema runs only once or twice, so compiling the checks would take longer than running them.
z.config({ jitless: true });

const MODE = 'an octal string like "0660"';
const GROUP = 'the name of a group or a gid';
const COUNT = 'a whole number from 1';
const PATTERN = 'a pattern like "*.example.org"';
const PATTERNS = 'a list of patterns like "*.example.org"';
/** The largest group ID: the next value makes chown(2) keep the group. */
const MAX_GID = 0xfffffffe;

type UnixEndpoint = Endpoint & { readonly kind: 'unix' };
/** The socket from which Envoys fetch the keys of JWT-SVIDs. */
export type JwksListen = UnixEndpoint | 'off';

const count = z.int(COUNT).min(1, COUNT);

const listenEndpoint = textCodec(parseSdsListen, formatEndpoint);
const jwksEndpoint = textCodec<JwksListen>(parseJwksListen, (listen) => (listen === 'off' ? '' : formatEndpoint(listen)));

const fileMode = z.codec(z.string(MODE).regex(/^0?[0-7]{3}$/, MODE), z.number(), {
  decode: (text) => Number.parseInt(text, 8),
  encode: (mode) => mode.toString(8).padStart(4, '0'),
});

const names = section({
  preset: described(z.enum(PRESET_NAMES).default('spire'), {
    description:
      'Whose names are served. It gives the defaults of the three names below, and may serve every name with a prefix, too.',
  }),
  default_svid: described(secretName.default(PRESETS.spire.names.default_svid), {
    description: 'The name of the first SVID that the Workload API sends. "" turns it off.',
  }),
  default_bundle: described(secretName.default(PRESETS.spire.names.default_bundle), {
    description: 'The name of the bundle of the first SVID\'s trust domain. "" turns it off.',
  }),
  default_all_bundles: described(secretName.default(PRESETS.spire.names.default_all_bundles), {
    description: 'The name of all bundles together, each for its own trust domain. "" turns it off.',
  }),
  on_demand: described(z.array(z.string().min(1, PATTERN), PATTERNS).readonly().default([]), {
    description:
      'Names that an Envoy asks for while a handshake waits. With delta, one that is not there is answered as removed at once; every other is held. In a pattern, * stands for any number of any characters, and upper and lower case are the same.',
    title: 'list of patterns',
  }),
  answer_empty_request: described(z.boolean().default(true), {
    description: 'Whether a first request without names gets every SVID and bundle.',
  }),
  jwt_audiences: described(audiences('a list of audiences').readonly().default([]), {
    description: 'Audiences for which the token of the first SVID is served as `jwt:AUDIENCE`.',
    title: 'list of audiences',
  }),
});

/** The whole configuration. `z.encode` turns a parsed configuration back into the form of a file. */
export const configurationSchema = z
  .strictObject({
    mode: described(z.enum(['sidecar', 'node']).default('sidecar'), {
      description:
        'sidecar: the process itself is the workload, and its Envoys have its identities. node: each process that connects is a workload of its own, and a broker says what it may have.',
    }),
    workload_api: described(workloadApiSettings.prefault({}), {
      description:
        'Where identities come from: one Workload API, or a list of several, which are joined. Of what two of them give, the first is used.',
    }),
    broker: described(brokerSettings.prefault({}), {
      description: 'Node mode: who says what each workload may have (SPIFFE Broker API).',
    }),
    node: described(nodeSettings.prefault({}), { description: 'Node mode: how processes are told apart.' }),
    sds: described(
      section({
        listen: described(listenEndpoint.prefault(DEFAULT_LISTEN), {
          ...UNIX_SOCKET,
          description:
            'The socket that Envoys connect to: unix:///absolute/path. Over TCP private keys would go to whoever connects, so it is refused.',
        }),
        mode: described(fileMode.prefault('0660'), {
          description: 'The permissions of the socket, octal, in quotes. An Envoy needs to read and write.',
          title: 'file mode',
        }),
        group: described(z.union([z.string().min(1, GROUP), z.int(GROUP).min(0, GROUP).max(MAX_GID, GROUP)], GROUP).optional(), {
          description: 'The group of the socket: a name in /etc/group, or a gid. Default: the group of the process.',
          title: 'group',
        }),
        allow: described(z.array(allowRule, 'a list of rules').readonly().optional(), {
          description:
            'Who may have which secret. The first rule that is for a peer decides; a peer for which there is none is refused. Default: whoever may open the socket may have all.',
          title: 'list of rules',
        }),
        bundle_ack_timeout: described(textCodec((text) => parseWait(text, 0), formatDuration).prefault('2s'), {
          ...DURATION,
          description:
            'After a CA roll, how long certificates of the new CA wait at most until every stream that has the bundle has answered the new one. 0s to 24d.',
        }),
        limits: described(
          section({
            connections: described(count.default(64), {
              description:
                'Connections at a time. One more takes the place of the oldest that has no stream; when each has one, of the newest of the uid that has most, if its own uid would still have fewer. Otherwise it is closed at once. The log says so.',
            }),
            streams_per_connection: described(count.default(16_384), {
              description:
                "Streams of one connection at a time. It is HTTP/2's own limit: a client waits, or its stream is refused. A change holds for new connections.",
            }),
            names_per_stream: described(count.default(1024), {
              description: 'Names that one stream may ask for. A stream that asks for more is ended with RESOURCE_EXHAUSTED.',
            }),
            request_bytes: described(textCodec(parseSize, formatSize).prefault('1MiB'), {
              ...SIZE,
              description:
                'The size of one request. A larger one ends its stream with RESOURCE_EXHAUSTED. A change holds for new connections.',
            }),
          }).prefault({}),
          { description: 'How much peers may take.' },
        ),
      }).prefault({}),
      { description: 'The socket on which Envoy gets its secrets.' },
    ),
    names: described(names.prefault({}), {
      description: 'Under which names the SVIDs and bundles of the Workload API are served.',
    }),
    validation: described(
      section({
        mode: described(validationMode.default('spiffe'), {
          description:
            "The form of validation contexts. spiffe: Envoy's SPIFFE validator, which holds each bundle against its own trust domain only. trusted_ca: a plain list of authorities.",
        }),
        crl: described(z.boolean().default(true), {
          description: 'Whether CRLs that the Workload API sends go into validation contexts.',
        }),
        unsafe_merge: described(z.boolean().default(false), {
          description:
            'Whether the authorities of several trust domains may go into one trusted_ca, where each can issue the identities of the others. Otherwise such a name is held.',
        }),
      }).prefault({}),
      { description: 'How Envoy is told to verify peers.' },
    ),
    on_permission_denied: described(z.enum(['withdraw', 'keep']).default('withdraw'), {
      description:
        'What happens when the Workload API denies this workload. withdraw: its SVIDs are withdrawn, and its trust domains are no longer trusted. keep: what was served before stays.',
    }),
    secrets: described(z.array(namedSecret, 'a list of secrets').readonly().default([]), {
      description: 'Names of your own, each for an SVID, for a choice of trust domains, or for a token.',
      title: 'list of secrets',
    }),
    jwks: described(
      section({
        listen: described(jwksEndpoint.prefault(''), {
          description:
            'A Unix socket on which the keys of JWT-SVIDs are, and nothing else, for the jwt_authn of Envoy: unix:///absolute/path. "" for none. Its mode and group are those of the SDS socket.',
          title: 'Unix socket',
          pattern: '^(unix:.*|)$',
        }),
      }).prefault({}),
      { description: 'Whom tokens can be verified with.' },
    ),
    admin: described(adminSettings.prefault({}), { description: 'The admin API: health, metrics and status over HTTP.' }),
    telemetry: described(telemetrySettings.prefault({}), { description: 'Metrics and traces.' }),
    process: described(
      section({
        dumpable: described(z.boolean().default(false), {
          description:
            'Whether other processes of the same user may look into this one: debuggers, profilers, and a SPIRE agent that runs as this user and has discover_workload_path. They see private keys.',
        }),
      }).prefault({}),
      { description: 'What others may see of the process.' },
    ),
    log: described(
      section({
        level: described(z.enum(['trace', 'debug', 'info', 'warn', 'error', 'silent']).default('info'), {
          description: 'The least important lines that are written to stderr.',
        }),
        format: described(z.enum(['json', 'text']).default('json'), {
          description: 'json: one JSON object a line. text: for people.',
        }),
        audit: described(auditTarget.prefault('stdout'), {
          description: 'Where audit lines go: stdout, otlp, the absolute path of a file, or "" for none.',
          title: 'audit target',
          pattern: '^(stdout|otlp|/.*|)$',
        }),
      }).prefault({}),
      { description: 'The log, and the audit log.' },
    ),
  })
  .readonly();

/** A parsed configuration: durations are milliseconds, addresses are endpoints, `sds.mode` is a number. */
export type Configuration = z.infer<typeof configurationSchema>;

/** The keys that the mapping at a path can have. */
export function knownKeys(path: readonly PropertyKey[]): readonly string[] {
  let schema: unknown = unwrap(configurationSchema);
  for (const key of path) {
    const form = formOf(schema, typeof key === 'number');
    if (form instanceof z.ZodArray) schema = unwrap(form.element);
    else schema = form instanceof z.ZodObject ? unwrap(form.shape[String(key)]) : undefined;
  }
  const form = formOf(schema, false);
  return form instanceof z.ZodObject ? Object.keys(form.shape) : [];
}

/** Of a value that may be a mapping or a list: one of them. */
function formOf(schema: unknown, isList: boolean): unknown {
  if (!(schema instanceof z.ZodUnion)) return schema;
  return schema.options.map(unwrap).find((form) => form instanceof (isList ? z.ZodArray : z.ZodObject));
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
