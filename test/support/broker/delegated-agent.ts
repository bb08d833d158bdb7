/** A development admin socket with its Workload API, and what it says of workloads. */
import { mkdtempDisposable } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DelegatedIdentityClient } from '../../../src/broker/delegated-client.ts';
import { DelegatedSource } from '../../../src/broker/delegated-source.ts';
import { DevDelegatedIdentity } from '../../../src/dev/dev-delegated-identity.ts';
import type { DevIdentity } from '../../../src/dev/workload-changes.ts';
import type { DevProcess } from '../../../src/dev/workload-state.ts';
import { parseEndpoint } from '../../../src/endpoint.ts';
import { TestWorkloadApi } from '../workload-api/test-workload-api.ts';
import { OWN } from './asked-broker.ts';

export interface DelegatedAgentOptions {
  readonly identities: readonly DevIdentity[];
  readonly processes: readonly DevProcess[];
  /** Default: our own identity. */
  readonly authorizedDelegates?: readonly string[];
  readonly federated?: readonly string[];
}

export interface DelegatedAgent extends AsyncDisposable {
  readonly workloadApi: TestWorkloadApi;
  readonly agent: DevDelegatedIdentity;
  readonly client: DelegatedIdentityClient;
  readonly source: DelegatedSource;
  /** Another one at the same address, once the first is closed. */
  restart(): Promise<DevDelegatedIdentity>;
}

export async function delegatedAgent({
  identities,
  processes,
  authorizedDelegates = ['spiffe://example.org/spiffe-sds'],
  federated = [],
}: DelegatedAgentOptions): Promise<DelegatedAgent> {
  await using stack = new AsyncDisposableStack();
  const folder = stack.use(await mkdtempDisposable(join(tmpdir(), 'spiffe-sds-'))).path;
  const address = `unix://${join(folder, 'admin.sock')}`;
  const workloadApi = stack.use(
    await TestWorkloadApi.start({
      address: `unix://${join(folder, 'workload.sock')}`,
      rotateEveryMs: 0,
      identities: [OWN, ...identities],
      federated,
    }),
  );
  const find = (pid: number) => processes.find((process) => process.pid === pid);
  const restart = () => DevDelegatedIdentity.start({ address, workloadApi, authorizedDelegates, find });
  const agent = stack.use(await restart());
  const client = stack.use(new DelegatedIdentityClient(parseEndpoint(address)));
  const owned = stack.move();
  return {
    workloadApi,
    agent,
    client,
    source: new DelegatedSource(client),
    restart,
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  };
}
