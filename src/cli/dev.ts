/** `spiffe-sds dev`: everything that is needed to try it, in one process. */
import { access, constants, lstat, mkdir } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import type { LoadedConfiguration } from '../config/load.ts';
import type { Configuration } from '../config/schema/schema.ts';
import { DEFAULT_ADMIN_LISTEN, formatAdminListen } from '../config/schema/telemetry-schema.ts';
import { addressesOf } from '../config/schema/workload-api-schema.ts';
import { DevWorkloadApi } from '../dev/dev-workload-api.ts';
import { type Endpoint, formatEndpoint } from '../endpoint.ts';
import { SpiffeSdsError } from '../error.ts';
import type { EventListener } from '../events.ts';
import { type Application, startApplication } from '../sidecar/application.ts';
import type { Sidecar } from '../sidecar/sidecar.ts';
import { standardOutput } from '../telemetry/output.ts';
import { type ConfigurationFlags, configurationOf } from './configuration.ts';
import { type DevDomainFlags, devDomain, NODE_IDENTITY } from './dev-flags.ts';
import { terminated } from './signals.ts';

export type DevFlags = ConfigurationFlags & DevDomainFlags;

/** Runs the development Workload API and the sidecar until SIGTERM or SIGINT, and ends the process as `serve` does. */
export async function dev(flags: DevFlags): Promise<void> {
  await runUntilTerminated(flags);
  process.exit();
}

async function runUntilTerminated(flags: DevFlags): Promise<void> {
  const domain = devDomain(flags);
  const given = await devConfiguration(await configurationOf({ ...flags, logFormat: flags.logFormat ?? 'text' }));
  const loaded = flags.node === true ? forNode(given) : given;
  const { configuration } = loaded;
  const stop = terminated();
  let running: Application | undefined;
  // Also while it starts: by default this signal would end the process.
  process.on('SIGHUP', () => running?.reopen());
  const [address] = addressesOf(configuration.workload_api) as readonly [Endpoint];
  await using workloadApi = await DevWorkloadApi.start({ address: formatEndpoint(address), ...domain });
  await using agent = configuration.mode === 'node' ? await startNodeAgent(configuration, workloadApi) : undefined;
  const first = firstEvents(configuration.admin.listen === 'off');
  await using operated = await startApplication({ loaded, env: process.env, events: first.events });
  running = operated;
  await Promise.race([Promise.all([first.received, first.status]), stop]);
  // Others are served already: a terminal that is stopped must not keep them waiting.
  standardOutput(1).write(introduction(configuration, operated.sidecar, workloadApi, agent?.sockets));
  await stop;
}

/** The sockets lie where the configuration says, and otherwise where this user may put them; audit lines are for who asks for them. */
async function devConfiguration(loaded: LoadedConfiguration): Promise<LoadedConfiguration> {
  const { configuration, sources } = loaded;
  const { sds, workload_api, log } = configuration;
  const path =
    sources.get('sds.listen') === 'default' ? join(await devFolder(dirname(sds.listen.path)), 'sds.sock') : sds.listen.path;
  const [address = { kind: 'unix', path: join(dirname(path), 'workload.sock') }, ...others] = addressesOf(workload_api);
  if (others.length > 0) throw new SpiffeSdsError('config_invalid', SEVERAL);
  const audit = sources.get('log.audit') === 'default' ? 'off' : log.audit;
  const dev = { ...configuration, sds: { ...sds, listen: { kind: 'unix', path } as const }, workload_api: { address } };
  return { ...loaded, configuration: { ...dev, log: { ...log, audit } } };
}

const SEVERAL = 'dev serves one Workload API of its own: give workload_api one address, or use serve with several';

/** Each user who connects has what the broker says. The socket is for all users, unless the configuration says otherwise. */
function forNode(loaded: LoadedConfiguration): LoadedConfiguration {
  const { configuration, sources } = loaded;
  const { sds, broker } = configuration;
  const usual = broker.backend === 'broker' ? BROKER_SOCKET : ADMIN_SOCKET;
  const address = broker.address ?? { kind: 'unix', path: join(dirname(sds.listen.path), usual) };
  const mode = sources.get('sds.mode') === 'default' ? 0o666 : sds.mode;
  return { ...loaded, configuration: { ...configuration, mode: 'node', sds: { ...sds, mode }, broker: { ...broker, address } } };
}

const BROKER_SOCKET = 'broker.sock';
const ADMIN_SOCKET = 'admin.sock';

interface NodeAgent extends AsyncDisposable {
  /** What it serves where: a line for each. */
  readonly sockets: readonly string[];
}

/** What an agent of SPIRE has for a whole node: the backend that is configured; beside the broker the Delegated Identity API, to try it. */
async function startNodeAgent({ broker, sds }: Configuration, workloadApi: DevWorkloadApi): Promise<NodeAgent> {
  await using stack = new AsyncDisposableStack();
  const sidecar = [`spiffe://${workloadApi.trustDomain}${NODE_IDENTITY.path}`];
  const configured = formatEndpoint(broker.address as Endpoint);
  const isBroker = broker.backend === 'broker';
  const sockets: string[] = [];
  if (isBroker) {
    const { DevBroker } = await import('../dev/dev-broker.ts');
    stack.use(await DevBroker.start({ address: configured, workloadApi, admits: sidecar }));
    sockets.push(`broker        ${configured}`);
  }
  const { DevDelegatedIdentity } = await import('../dev/dev-delegated-identity.ts');
  const address = isBroker ? `unix://${join(dirname(sds.listen.path), ADMIN_SOCKET)}` : configured;
  stack.use(await DevDelegatedIdentity.start({ address, workloadApi, authorizedDelegates: sidecar }));
  sockets.push(`admin socket  ${address}${isBroker ? '    # broker.backend: delegated_identity' : ''}`);
  const owned = stack.move();
  return { sockets, [Symbol.asyncDispose]: () => owned.disposeAsync() };
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

interface FirstEvents {
  readonly events: EventListener;
  /** The first identities are served. */
  readonly received: Promise<void>;
  /** `status` has an answer, or the log says why it has none. */
  readonly status: Promise<void>;
}

function firstEvents(withoutAdmin: boolean): FirstEvents {
  const received = Promise.withResolvers<void>();
  const status = Promise.withResolvers<void>();
  if (withoutAdmin) status.resolve();
  const events: EventListener = (event) => {
    if (event.type === 'svid_received') setImmediate(received.resolve);
    if ((event.type === 'admin_listening' || event.type === 'admin_failed') && event.part === 'api') status.resolve();
  };
  return { events, received: received.promise, status: status.promise };
}

function introduction(
  { sds, admin }: Configuration,
  sidecar: Sidecar,
  { trustDomain, address }: DevWorkloadApi,
  nodeSockets?: readonly string[],
): string {
  const listen = formatEndpoint(sds.listen);
  const inCheckout = process.argv[1]?.endsWith('.ts') === true;
  const command = inCheckout ? 'npm run -s spiffe-sds --' : 'spiffe-sds';
  const status = admin.listen === 'off' ? '' : statusLine(`${command} status`, formatAdminListen(admin.listen));
  const demo = inCheckout ? '\n  npm run demo    # two real Envoys talk mTLS while their certificates rotate' : '';
  return `
A development Workload API for ${trustDomain}, and the sidecar that serves it to Envoy:

  Workload API  ${address}
  SDS           ${listen}
  ${nodeSockets === undefined ? `names         ${sidecar.names.join('\n                ')}` : [...nodeSockets, 'names         those of the user who asks'].join('\n  ')}

Try next, in another terminal:

  ${command} get --listen ${listen}    # what an Envoy would get, without the keys
  ${command} get --listen ${listen} --watch default    # and each rotation of it${status}${demo}

Ctrl-C stops it.

`;
}

function statusLine(command: string, address: string): string {
  const where = address === DEFAULT_ADMIN_LISTEN ? '' : ` --admin ${address}`;
  return `\n  ${command}${where}    # what it knows: identities, who has what, what is about to expire`;
}
