/** The rooms of src/, and which may import which: data, from the bottom to the top. docs/architecture.md shows it. */

/** A folder (its sub-folders are rooms of their own), or a file that is a room by itself. */
export interface Room {
  /** `src/wire/` or `src/events.ts`. */
  readonly path: string;
  /** What belongs there. */
  readonly holds: string;
  /** Paths of rooms that stand above this one in the table. Every room may import `src/` besides. */
  readonly mayImport: readonly string[];
}

/** What every room may import. */
export const SHARED = 'src/';

const SPIFFE = ['src/spiffe/x509/', 'src/spiffe/crl/', 'src/spiffe/', 'src/spiffe/jwt/'];
const WIRE = ['src/gen/', 'src/wire/'];
const CONFIG = ['src/config/values/', 'src/config/source/', 'src/config/schema/', 'src/config/rules/'];

export const ROOMS: readonly Room[] = [
  { path: SHARED, holds: 'what everything may use: errors, the clock, endpoints, printable text', mayImport: [] },
  { path: 'src/gen/', holds: 'generated from proto/', mayImport: [] },
  { path: 'src/wire/', holds: 'the encoding of protobuf messages', mayImport: ['src/gen/'] },
  { path: 'src/spiffe/x509/', holds: 'certificates, names, keys and paths, as X.509 has them', mayImport: [] },
  { path: 'src/spiffe/crl/', holds: 'certificate revocation lists', mayImport: ['src/spiffe/x509/'] },
  {
    path: 'src/spiffe/',
    holds: 'SPIFFE IDs, SVIDs, bundles; whether an SVID is good',
    mayImport: ['src/spiffe/x509/', 'src/spiffe/crl/'],
  },
  { path: 'src/spiffe/jwt/', holds: 'JWT-SVIDs and the keys that they are verified with', mayImport: ['src/spiffe/'] },
  { path: 'src/envoy/', holds: 'what is true of Envoy: which certificates, keys and CRLs it takes', mayImport: SPIFFE },
  { path: 'src/events.ts', holds: 'the vocabulary of what happens', mayImport: ['src/spiffe/'] },
  { path: 'src/config/values/', holds: 'forms of a value: duration, size, pattern, regex', mayImport: [] },
  {
    path: 'src/config/source/',
    holds: 'where values come from: file, environment, flags',
    mayImport: ['src/config/values/'],
  },
  {
    path: 'src/config/schema/',
    holds: 'every key with its form and default',
    mayImport: ['src/spiffe/', 'src/config/values/', 'src/config/source/'],
  },
  {
    path: 'src/config/rules/',
    holds: 'rules between keys, and how a problem is told',
    mayImport: ['src/spiffe/jwt/', 'src/config/values/', 'src/config/source/', 'src/config/schema/'],
  },
  { path: 'src/config/', holds: 'loading, printing and reloading a configuration', mayImport: CONFIG },
  {
    path: 'src/workload-api/',
    holds: 'the client: calls, retries, from messages to X.509 contexts and tokens',
    mayImport: [...WIRE, ...SPIFFE, 'src/envoy/', 'src/events.ts'],
  },
  {
    path: 'src/broker/',
    holds: 'clients of the Broker API and of the Delegated Identity API: what other workloads may have',
    mayImport: [...WIRE, ...SPIFFE, 'src/config/values/', 'src/workload-api/'],
  },
  {
    path: 'src/secrets/',
    holds: 'from a context and the configuration to named, versioned, encoded secrets',
    mayImport: [...WIRE, ...SPIFFE, 'src/envoy/', 'src/events.ts'],
  },
  {
    path: 'src/access/',
    holds: 'who may have which secret',
    mayImport: ['src/events.ts', 'src/config/values/', 'src/secrets/'],
  },
  {
    path: 'src/server/',
    holds: 'the socket, and who connects to it',
    mayImport: ['src/events.ts'],
  },
  {
    path: 'src/server/grpc/',
    holds: 'gRPC on HTTP/2: connections, calls, limits, health',
    mayImport: [...WIRE, 'src/events.ts', 'src/server/'],
  },
  {
    path: 'src/process/',
    holds: 'this process: who may look into it, and the memory that it keeps',
    mayImport: ['src/events.ts', 'src/server/'],
  },
  { path: 'src/sds/delivery/', holds: 'who is told of an update, and when', mayImport: [] },
  {
    path: 'src/sds/protocol/',
    holds: 'state of the world and delta as pure state machines; their responses',
    mayImport: [...WIRE, 'src/events.ts', 'src/secrets/'],
  },
  {
    path: 'src/sds/stream/',
    holds: 'one stream: its Envoy, its limits, its record',
    mayImport: [
      ...WIRE,
      'src/events.ts',
      'src/secrets/',
      'src/access/',
      'src/server/grpc/',
      'src/sds/delivery/',
      'src/sds/protocol/',
    ],
  },
  {
    path: 'src/sds/',
    holds: 'the secret discovery service: all streams, and FetchSecrets',
    mayImport: [
      ...WIRE,
      'src/events.ts',
      'src/secrets/',
      'src/access/',
      'src/server/grpc/',
      'src/sds/delivery/',
      'src/sds/protocol/',
      'src/sds/stream/',
    ],
  },
  {
    path: 'src/node/',
    holds: 'node mode: which process a call is of, and what is kept for each',
    mayImport: ['src/events.ts', 'src/workload-api/', 'src/server/', 'src/server/grpc/'],
  },
  {
    path: 'src/state/',
    holds: 'what the events add up to, and whether that is ready',
    mayImport: ['src/spiffe/', 'src/events.ts'],
  },
  {
    path: 'src/telemetry/standard-variables.ts',
    holds: 'variables of the OpenTelemetry specification',
    mayImport: ['src/config/source/'],
  },
  { path: 'src/telemetry/output.ts', holds: 'text on its way to a file descriptor', mayImport: [] },
  { path: 'src/telemetry/traces/', holds: 'a trace for each rotation, as values', mayImport: ['src/events.ts'] },
  {
    path: 'src/telemetry/metrics/',
    holds: 'instruments, what they measure, and the page for Prometheus',
    mayImport: ['src/events.ts', 'src/state/', 'src/telemetry/traces/'],
  },
  {
    path: 'src/telemetry/audit/',
    holds: 'audit records, and where they go',
    mayImport: ['src/events.ts', 'src/config/schema/', 'src/telemetry/output.ts'],
  },
  {
    path: 'src/telemetry/log/',
    holds: 'events as log lines',
    mayImport: ['src/events.ts', 'src/telemetry/output.ts', 'src/telemetry/audit/'],
  },
  {
    path: 'src/telemetry/otlp/',
    holds: 'export by OpenTelemetry, loaded only where there is an endpoint',
    mayImport: [
      'src/config/schema/',
      'src/config/source/',
      'src/telemetry/standard-variables.ts',
      'src/telemetry/traces/',
      'src/telemetry/metrics/',
      'src/telemetry/audit/',
      'src/telemetry/log/',
    ],
  },
  {
    path: 'src/telemetry/',
    holds: 'what listens to the events, put together',
    mayImport: [
      'src/events.ts',
      'src/config/schema/',
      'src/config/source/',
      'src/state/',
      'src/telemetry/standard-variables.ts',
      'src/telemetry/output.ts',
      'src/telemetry/traces/',
      'src/telemetry/metrics/',
      'src/telemetry/audit/',
      'src/telemetry/log/',
      'src/telemetry/otlp/',
    ],
  },
  {
    path: 'src/admin/',
    holds: 'HTTP: status, health, metrics, JWT keys',
    mayImport: [
      'src/spiffe/',
      'src/spiffe/jwt/',
      'src/events.ts',
      'src/config/values/',
      'src/config/schema/',
      'src/config/rules/',
      'src/config/',
      'src/secrets/',
      'src/server/',
      'src/sds/stream/',
      'src/state/',
    ],
  },
  { path: 'src/admin/page/', holds: 'the status page, which a browser runs', mayImport: ['src/admin/'] },
  {
    path: 'src/dev/',
    holds: 'the development Workload API: a small CA, and the server side of the API',
    mayImport: [...WIRE, ...SPIFFE, 'src/server/', 'src/server/grpc/'],
  },
  {
    path: 'src/sidecar/',
    holds: 'the composition root: builds the rooms and connects them',
    mayImport: [
      ...SPIFFE,
      'src/events.ts',
      ...CONFIG,
      'src/config/',
      'src/workload-api/',
      'src/broker/',
      'src/secrets/',
      'src/access/',
      'src/process/',
      'src/server/',
      'src/server/grpc/',
      'src/sds/stream/',
      'src/sds/',
      'src/node/',
      'src/state/',
      'src/telemetry/',
      'src/admin/',
    ],
  },
  { path: 'src/bootstrap/', holds: 'an Envoy bootstrap for given names, as a value', mayImport: ['src/spiffe/'] },
  {
    path: 'src/doctor/',
    holds: 'what is wrong between the Workload API and Envoy: findings from facts',
    mayImport: ['src/spiffe/', 'src/config/values/', 'src/config/schema/', 'src/access/', 'src/admin/'],
  },
  {
    path: 'src/doctor/probes/',
    holds: 'the facts of sockets, the Workload API, secrets and an Envoy',
    mayImport: [...WIRE, 'src/spiffe/', 'src/envoy/', 'src/server/', 'src/workload-api/', 'src/doctor/'],
  },
  {
    path: 'src/cli/clients/',
    holds: 'who asks a running sidecar: SDS, gRPC health, the admin API',
    mayImport: [...WIRE, 'src/config/schema/', 'src/secrets/'],
  },
  {
    path: 'src/cli/usage/',
    holds: 'what is said of the commands themselves: examples, completion in shells',
    mayImport: [],
  },
  {
    path: 'src/cli/',
    holds: 'the commands, one file each',
    mayImport: [
      ...WIRE,
      'src/spiffe/',
      'src/spiffe/jwt/',
      'src/events.ts',
      ...CONFIG,
      'src/config/',
      'src/process/',
      'src/secrets/',
      'src/telemetry/output.ts',
      'src/admin/',
      'src/cli/clients/',
      'src/cli/usage/',
      'src/bootstrap/',
      'src/doctor/',
      'src/doctor/probes/',
      'src/server/',
      'src/workload-api/',
      'src/dev/',
      'src/sidecar/',
    ],
  },
];

/** The table as docs/architecture.md shows it. */
export function roomsTable(rooms: readonly Room[] = ROOMS): string {
  const rows = rooms.map(({ path, holds, mayImport }) => {
    const names = mayImport.map((name) => `\`${name.replace(/^src\//, '')}\``).join(', ');
    return `| \`${path}\` | ${holds} | ${names === '' ? '–' : names} |`;
  });
  return ['| room | what it holds | may import |', '|---|---|---|', ...rows].join('\n');
}
