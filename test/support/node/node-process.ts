/** `spiffe-sds serve` for a node, as a process of its own, with a development broker, and peers that are other users. Takes root. */
import { chmod, mkdtempDisposable } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DevBroker } from '../../../src/dev/dev-broker.ts';
import type { DevIdentity } from '../../../src/dev/workload-changes.ts';
import { type PeerClientOptions, PeerProcessClient } from '../access/peer.ts';
import { SidecarProcess } from '../sidecar/sidecar-process.ts';
import { TestWorkloadApi } from '../workload-api/test-workload-api.ts';

export interface NodeProcess extends AsyncDisposable {
  readonly workloadApi: TestWorkloadApi;
  readonly broker: DevBroker;
  readonly sidecar: SidecarProcess;
  /** A process of that user, that asks for these names. */
  peer(uid: number, options?: Partial<PeerClientOptions>): PeerProcessClient;
}

export interface NodeProcessOptions {
  /** Of the workloads; spiffe-sds has one of its own. */
  readonly identities: readonly DevIdentity[];
  /** What stands in the configuration of the broker. */
  readonly broker?: object;
  /** What stands in the configuration beside it. */
  readonly configuration?: object;
  readonly env?: Readonly<Record<string, string>>;
}

export async function startNodeProcess({
  identities,
  broker: asked,
  configuration,
  env,
}: NodeProcessOptions): Promise<NodeProcess> {
  await using stack = new AsyncDisposableStack();
  const folder = stack.use(await mkdtempDisposable(join(tmpdir(), 'spiffe-sds-'))).path;
  await chmod(folder, 0o755);
  const workloadApi = stack.use(
    await TestWorkloadApi.start({
      address: `unix://${folder}/workload.sock`,
      rotateEveryMs: 0,
      identities: [{ path: '/spiffe-sds' }, ...identities],
    }),
  );
  const address = `unix://${folder}/broker.sock`;
  const broker = stack.use(await DevBroker.start({ address, workloadApi, admits: ['spiffe://example.org/spiffe-sds'] }));
  const socket = join(folder, 'sds.sock');
  const settings = { mode: 'node', broker: { address, ...asked }, sds: { mode: '0666' }, ...configuration };
  const sidecar = stack.use(await SidecarProcess.start(workloadApi.address, socket, settings, env));
  const owned = stack.move();
  return {
    workloadApi,
    broker,
    sidecar,
    peer: (uid, options) =>
      owned.use(new PeerProcessClient({ uid, gid: uid, socket, names: ['default'], asks: 'delta', ...options })),
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  };
}
