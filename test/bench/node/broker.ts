/** A broker that has all that it says ready before it is asked, so that it takes little from what is measured. */
import { createServer } from 'node:tls';
import { certificatesPem, issueX509Svid, privateKeyPem } from '../../../src/dev/authority.ts';
import type { WorkloadState } from '../../../src/dev/workload-state.ts';
import { x509BundlesResponse, x509SvidResponse } from '../../../src/dev/workload-state.ts';
import type { Call } from '../../../src/server/grpc/call.ts';
import { GrpcServer, type GrpcService } from '../../../src/server/grpc/grpc-server.ts';
import { serverStreaming } from '../../../src/server/grpc/methods.ts';
import { Status } from '../../../src/server/grpc/status.ts';
import { UnixListener } from '../../../src/server/unix-listener.ts';
import { parseSpiffeId } from '../../../src/spiffe/spiffe-id.ts';
import { type Frame, frameOf } from '../../../src/wire/frame.ts';
import { decode, encode } from '../../../src/wire/wire.ts';
import type { TestWorkloadApi } from '../../support/workload-api/test-workload-api.ts';

const SERVICE = '/spiffe.broker.API';
/** Of every SVID. */
export const HINT = 'internal';
const TTL_MS = 3_600_000;
const GRACE_MS = 50;

/** By workload, then by rotation: messages with its SVID. */
export type Rotations = readonly (readonly Frame[])[];

/** The SPIFFE ID of a workload. */
export function idOf(workload: number): string {
  return `spiffe://example.org/workload-${workload}`;
}

/** New keys and certificates for each workload and rotation. */
export async function issueFor(
  api: TestWorkloadApi,
  { workloads, rotations }: { readonly workloads: number; readonly rotations: number },
): Promise<Rotations> {
  const state = stateOf(api);
  const message = async (workload: number) => {
    const spiffeId = parseSpiffeId(idOf(workload));
    const svid = await issueX509Svid(state.active, spiffeId, { now: Date.now(), ttlMs: TTL_MS });
    return frameOf(encode('X509SVIDResponse', x509SvidResponse({ ...state, identities: [{ spiffeId, hint: HINT, svid }] })));
  };
  const all: (readonly Frame[])[] = [];
  for (let workload = 0; workload < workloads; workload++)
    all.push(await Promise.all(Array.from({ length: rotations }, () => message(workload))));
  return all;
}

/** What it says to whom. */
class Answers implements GrpcService {
  readonly methods: GrpcService['methods'];
  readonly #rotations: Rotations;
  readonly #byPid = new Map<number, number>();
  readonly #calls = new Map<Call, number>();
  #rotation = 0;

  /** @param bundles the same for all */
  constructor(rotations: Rotations, bundles: Frame) {
    this.#rotations = rotations;
    this.methods = {
      [`${SERVICE}/SubscribeToX509SVID`]: serverStreaming({
        decode: (bytes) => decode('spiffe.broker.SubscribeToX509SVIDRequest', bytes),
        open: ({ reference }, call) => {
          const { pid } = decode('spiffe.broker.WorkloadPIDReference', reference?.reference?.value ?? Buffer.alloc(0));
          return this.#open(this.#byPid.get(pid) ?? 0, call);
        },
      }),
      [`${SERVICE}/SubscribeToX509Bundles`]: serverStreaming({
        decode: (bytes) => bytes,
        open: (_, call) => {
          call.send(bundles);
          return () => undefined;
        },
      }),
    };
  }

  assign(pid: number, workload: number): void {
    this.#byPid.set(pid, workload);
  }

  rotate(): void {
    this.#rotation++;
    for (const [call, workload] of this.#calls) this.#send(call, workload);
  }

  drain(): void {
    for (const call of [...this.#calls.keys()]) call.end(Status.UNAVAILABLE, 'the benchmark is over');
  }

  #open(workload: number, call: Call): () => void {
    this.#calls.set(call, workload);
    this.#send(call, workload);
    return () => this.#calls.delete(call);
  }

  #send(call: Call, workload: number): void {
    const messages = this.#rotations[workload] ?? [];
    call.send(messages[this.#rotation % messages.length] as Frame);
  }
}

export class BenchBroker implements AsyncDisposable {
  readonly #answers: Answers;
  readonly #server: GrpcServer;
  readonly #listener: UnixListener;

  private constructor(answers: Answers, server: GrpcServer, listener: UnixListener) {
    this.#answers = answers;
    this.#server = server;
    this.#listener = listener;
  }

  static async start(path: string, api: TestWorkloadApi, rotations: Rotations): Promise<BenchBroker> {
    const { chain, privateKey } = await api.issueServer('/spire/agent/bench');
    const state = stateOf(api);
    const answers = new Answers(rotations, frameOf(encode('X509BundlesResponse', x509BundlesResponse(state))));
    const server = new GrpcServer([answers]);
    const own = {
      key: privateKeyPem(privateKey),
      cert: certificatesPem(chain),
      ca: certificatesPem(state.authorities.map(({ certificate }) => certificate)),
    };
    const tls = createServer({ ...own, requestCert: true, ALPNProtocols: ['h2'] }, (socket) => server.accept(socket));
    return new BenchBroker(
      answers,
      server,
      await UnixListener.open({ path, mode: 0o777, setting: 'broker.address', server: tls }),
    );
  }

  /** From now on this process is that workload. */
  assign(pid: number, workload: number): void {
    this.#answers.assign(pid, workload);
  }

  /** New SVIDs for all that have asked. */
  rotate(): void {
    this.#answers.rotate();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#listener.close();
    await this.#server.close(GRACE_MS);
  }
}

function stateOf(api: TestWorkloadApi): WorkloadState {
  const states: WorkloadState[] = [];
  api.follow((state) => states.push(state))();
  return states[0] as WorkloadState;
}
