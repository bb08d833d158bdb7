/** A development broker with its Workload API, and a client that has the identity it takes to ask. */
import { mkdtempDisposable } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { BrokerClient } from '../../../src/broker/client.ts';
import { DevBroker } from '../../../src/dev/dev-broker.ts';
import type { DevIdentity } from '../../../src/dev/workload-changes.ts';
import type { DevProcess } from '../../../src/dev/workload-state.ts';
import { parseEndpoint } from '../../../src/endpoint.ts';
import type { X509SVIDResponse } from '../../../src/gen/messages.ts';
import { CertificateReader } from '../../../src/spiffe/certificate-reader.ts';
import { EMPTY_CONTEXT, type X509Context } from '../../../src/spiffe/x509-context.ts';
import { workloadApiAt } from '../../../src/workload-api/client.ts';
import { readContext } from '../../../src/workload-api/context.ts';
import type { Fetch } from '../../../src/workload-api/stream-call.ts';
import { TestWorkloadApi } from '../workload-api/test-workload-api.ts';

export interface AskedBrokerOptions {
  readonly identities: readonly DevIdentity[];
  readonly serverId?: string;
  /** Default: our own identity. */
  readonly admits?: readonly string[];
  /** Of the broker. */
  readonly path?: string;
  readonly processes: readonly DevProcess[];
}

export interface AskedBroker extends AsyncDisposable {
  readonly workloadApi: TestWorkloadApi;
  readonly broker: DevBroker;
  readonly client: BrokerClient;
  readonly address: string;
  /** Our own identities, as the client shows them. */
  own: X509Context;
  /** Asks the Workload API for them again. */
  renewOwn(): Promise<void>;
  /** Another one at the same address, once the first is closed. */
  startBroker(): Promise<DevBroker>;
}

export const OWN = { path: '/spiffe-sds' };
/** One of each of three users. */
export const PROCESSES: readonly DevProcess[] = [
  { pid: 11, uid: 101 },
  { pid: 12, uid: 102 },
  { pid: 13, uid: 103 },
];

/** The SPIFFE IDs in a message, in its order. */
export function idsOf(message: unknown): readonly string[] {
  return (message as X509SVIDResponse).svids.map(({ spiffe_id }) => spiffe_id);
}

export async function askedBroker({ identities, serverId, admits, path, processes }: AskedBrokerOptions): Promise<AskedBroker> {
  await using stack = new AsyncDisposableStack();
  const folder = stack.use(await mkdtempDisposable(join(tmpdir(), 'spiffe-sds-'))).path;
  const workloadAddress = `unix://${join(folder, 'workload.sock')}`;
  const address = `unix://${join(folder, 'broker.sock')}`;
  const workloadApi = stack.use(
    await TestWorkloadApi.start({ address: workloadAddress, rotateEveryMs: 0, identities: [OWN, ...identities] }),
  );
  const startBroker = () =>
    DevBroker.start({
      address,
      workloadApi,
      admits: admits ?? ['spiffe://example.org/spiffe-sds'],
      find: (pid) => processes.find((process) => process.pid === pid),
      ...(path !== undefined && { path }),
    });
  const broker = stack.use(await startBroker());
  const ownApi = workloadApiAt(parseEndpoint(workloadAddress));
  const asked = { own: EMPTY_CONTEXT as X509Context };
  const renewOwn = async () => {
    asked.own = readContext((await next(ownApi.fetchX509Svid)) as X509SVIDResponse, new CertificateReader()).context;
  };
  await renewOwn();
  const client = stack.use(
    new BrokerClient({ endpoint: parseEndpoint(address), own: () => asked.own, ...(serverId !== undefined && { serverId }) }),
  );
  const owned = stack.move();
  return Object.assign(asked, {
    workloadApi,
    broker,
    client,
    address,
    renewOwn,
    startBroker,
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  });
}

/** How a call ended. */
export interface Ended {
  readonly code: number;
  readonly details: string;
}

/** The first message of a call, or how it ended. */
export async function next<Message>(fetch: Fetch<Message>): Promise<Message | Ended> {
  using call = new Following(fetch);
  return await call.next();
}

/** A call whose messages are taken one after the other. */
export class Following<Message> implements Disposable {
  readonly #told: (Message | Ended)[] = [];
  #wake: () => void = () => undefined;
  readonly #cancel: () => void;

  constructor(fetch: Fetch<Message>) {
    const tell = (what: Message | Ended) => {
      this.#told.push(what);
      this.#wake();
    };
    this.#cancel = fetch({ message: tell, end: (code, details) => tell({ code, details }) });
  }

  async next(): Promise<Message | Ended> {
    while (this.#told.length === 0) await new Promise<void>((resolve) => (this.#wake = resolve));
    return this.#told.shift() as Message | Ended;
  }

  [Symbol.dispose](): void {
    this.#cancel();
  }
}
