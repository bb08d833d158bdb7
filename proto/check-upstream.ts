/**
 * `node proto/check-upstream.ts [folder]` holds our protos against upstream's, which @grpc/grpc-js-xds carries. For buf, upstream is a later
 * version of ours: it may have more, but all that we declare must stand there, in a file of the same path, as it stands here.
 *
 * Left out are those that no package that is installed carries: the Workload API, the Broker API, SPIRE's and grpc.health.v1. buf has google/protobuf built in, the
 * same for both sides.
 */
import { type SpawnSyncOptions, spawnSync } from 'node:child_process';
import { existsSync, globSync } from 'node:fs';
import { join, resolve } from 'node:path';

const project = join(import.meta.dirname, '..');
const upstream = join(project, 'node_modules/@grpc/grpc-js-xds/deps');
const modules = ['envoy-api', 'googleapis', 'protoc-gen-validate', 'xds'];
const ours = resolve(process.argv[2] ?? import.meta.dirname);

const notCarried = [
  'workload.proto',
  'spiffe/broker/api.proto',
  'grpc/health/v1/health.proto',
  ...globSync('spire/**/*.proto', { cwd: ours }).sort(),
];

const rules = [
  'ENUM_VALUE_NO_DELETE',
  'ENUM_VALUE_SAME_NAME',
  'FIELD_NO_DELETE',
  'FIELD_SAME_CARDINALITY',
  'FIELD_SAME_NAME',
  'FIELD_SAME_ONEOF',
  'FIELD_SAME_TYPE',
  'PACKAGE_ENUM_NO_DELETE',
  'PACKAGE_MESSAGE_NO_DELETE',
  'PACKAGE_NO_DELETE',
  'PACKAGE_SERVICE_NO_DELETE',
  'RPC_NO_DELETE',
  'RPC_SAME_CLIENT_STREAMING',
  'RPC_SAME_REQUEST_TYPE',
  'RPC_SAME_RESPONSE_TYPE',
  'RPC_SAME_SERVER_STREAMING',
];

function buf(args: readonly string[], options: SpawnSyncOptions) {
  const run = spawnSync(join(project, 'node_modules/.bin/buf'), args, { maxBuffer: 2 ** 26, ...options });
  if (run.error) throw run.error;
  return run;
}

function fail(message: string, details: string): never {
  console.error(`${message}\n${details.trimEnd()}`);
  process.exit(1);
}

const files = globSync('**/*.proto', { cwd: ours }).filter((file) => !notCarried.includes(file));
if (files.length === 0) fail(`no protos to compare in ${ours}`, 'name the folder that has envoy/ and google/ in it');

// The files that we have too, and what those import: upstream as a whole does not build from what the package carries.
const paths = modules
  .flatMap((module) => files.map((file) => join(module, file)))
  .filter((path) => existsSync(join(upstream, path)));
const image = buf(
  [
    ...['build', '.', '--output', '-'],
    ...['--config', JSON.stringify({ version: 'v2', modules: modules.map((path) => ({ path })) })],
    ...paths.flatMap((path) => ['--path', path]),
  ],
  { cwd: upstream },
);
if (image.status !== 0) fail(`buf cannot build ${upstream}`, String(image.stderr));

const comparison = buf(
  [
    ...['breaking', '-', '--against', ours],
    ...['--config', JSON.stringify({ version: 'v2', breaking: { use: rules, ignore: notCarried } })],
  ],
  { input: image.stdout },
);
if (comparison.status !== 0) {
  fail(
    `${ours} differs from upstream (its lines; "previously" and "from" are ours):`,
    `${comparison.stdout}${comparison.stderr}`,
  );
}
console.log(`${files.length} protos agree with upstream's; not among them: ${notCarried.join(', ')}`);
