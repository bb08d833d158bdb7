/** `spiffe-sds dev`: everything that is needed to try it, in one process. */
import { access, constants, lstat, mkdir } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { parseDuration } from '../config/duration.ts';
import type { LoadedConfiguration } from '../config/load.ts';
import type { Configuration } from '../config/schema.ts';
import { type DevIdentity, DevWorkloadApi } from '../dev/dev-workload-api.ts';
import { type Endpoint, formatEndpoint } from '../endpoint.ts';
import { SpiffeSdsError } from '../error.ts';
import type { EventListener } from '../events.ts';
import { type Sidecar, startSidecar } from '../sidecar.ts';
import { openLog } from '../telemetry/log.ts';
import { type ConfigurationFlags, configurationOf } from './configuration.ts';
import { terminated } from './signals.ts';

export interface DevFlags extends ConfigurationFlags {
  readonly trustDomain: string;
  readonly id?: readonly string[];
  readonly federate?: readonly string[];
  readonly svidTtl: string;
  readonly caTtl: string;
}

const DEFAULT_IDENTITIES: readonly DevIdentity[] = [{ path: '/backend' }, { path: '/frontend' }];

/** Runs the development Workload API and the sidecar until SIGTERM or SIGINT. */
export async function dev(flags: DevFlags): Promise<void> {
  const configuration = await devConfiguration(await configurationOf({ ...flags, logFormat: flags.logFormat ?? 'text' }));
  const stop = terminated();
  const { events: log } = await openLog(configuration.log);
  await using workloadApi = await DevWorkloadApi.start({
    address: formatEndpoint(configuration.workload_api.address as Endpoint),
    trustDomain: flags.trustDomain,
    identities: flags.id?.map(parseIdentity) ?? DEFAULT_IDENTITIES,
    federated: flags.federate ?? [],
    svidTtlMs: parseDuration(flags.svidTtl),
    caTtlMs: parseDuration(flags.caTtl),
  });
  const first = firstContext(log);
  await using sidecar = await startSidecar({ configuration, events: first.events });
  await Promise.race([first.received, stop]);
  process.stdout.write(introduction(configuration, sidecar, workloadApi));
  await stop;
}

/** `/path` or `/path=hint`. */
function parseIdentity(text: string): DevIdentity {
  const [path = '', hint] = text.split('=', 2);
  return hint === undefined ? { path } : { path, hint };
}

/** The sockets lie where the configuration says, and otherwise where this user may put them. */
async function devConfiguration({ configuration, sources }: LoadedConfiguration): Promise<Configuration> {
  const { sds, workload_api } = configuration;
  const path =
    sources.get('sds.listen') === 'default' ? join(await devFolder(dirname(sds.listen.path)), 'sds.sock') : sds.listen.path;
  const address = workload_api.address ?? { kind: 'unix', path: join(dirname(path), 'workload.sock') };
  return { ...configuration, sds: { ...sds, listen: { kind: 'unix', path } }, workload_api: { address } };
}

/** Without the right to use the usual folder: one of this user's own, which nobody else may have made before. */
async function devFolder(usual: string): Promise<string> {
  const uid = process.getuid?.() ?? 0;
  if (uid === 0 || (await isWritable(usual))) return usual;
  const own = join(process.env['XDG_RUNTIME_DIR'] ?? tmpdir(), `spiffe-sds-${uid}`);
  await mkdir(own, { mode: 0o700, recursive: true });
  const found = await lstat(own);
  if (!found.isDirectory() || found.uid !== uid) {
    throw new SpiffeSdsError('listen_failed', `${own} belongs to somebody else: name a socket with --listen unix:///…`);
  }
  return own;
}

function isWritable(folder: string): Promise<boolean> {
  return access(folder, constants.W_OK).then(
    () => true,
    () => false,
  );
}

/** Resolves when the first identities are served. */
function firstContext(log: EventListener): { readonly events: EventListener; readonly received: Promise<void> } {
  const { promise, resolve } = Promise.withResolvers<void>();
  const events: EventListener = (event) => {
    log(event);
    if (event.type === 'svid_received') setImmediate(resolve);
  };
  return { events, received: promise };
}

function introduction({ sds, workload_api }: Configuration, sidecar: Sidecar, { trustDomain }: DevWorkloadApi): string {
  const listen = formatEndpoint(sds.listen);
  const inCheckout = process.argv[1]?.endsWith('.ts') === true;
  const command = inCheckout ? 'npm run -s spiffe-sds --' : 'spiffe-sds';
  const demo = inCheckout ? '\n  npm run demo    # two real Envoys talk mTLS while their certificates rotate' : '';
  return `
A development Workload API for ${trustDomain}, and the sidecar that serves it to Envoy:

  Workload API  ${formatEndpoint(workload_api.address as Endpoint)}
  SDS           ${listen}
  names         ${sidecar.names.join('\n                ')}

Try next, in another terminal:

  ${command} get --listen ${listen}    # what an Envoy would get, without the keys
  ${command} get --listen ${listen} --watch default    # and each rotation of it${demo}

Ctrl-C stops it.

`;
}
