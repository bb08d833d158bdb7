/**
 * Processes of a node come and go and have each other's pids, connections outlive them, an agent looks late and keeps streams open: not a
 * byte of one workload's keys or certificates goes to the connection of another.
 */
import { setImmediate } from 'node:timers/promises';
import { status } from '@grpc/grpc-js';
import { expect, test } from 'vitest';
import { type DelegatedMethod, DelegatedSource } from '../../src/broker/delegated-source.ts';
import type { WorkloadSource } from '../../src/broker/workload-source.ts';
import type { Peer } from '../../src/events.ts';
import type { SubscribeToX509BundlesResponse, SubscribeToX509SVIDsResponse } from '../../src/gen/messages.ts';
import { StreamNumbers } from '../../src/sds/numbers.ts';
import { SDS } from '../../src/sds/service.ts';
import type { Call, CallHandler } from '../../src/server/grpc/call.ts';
import { Node } from '../../src/sidecar/node.ts';
import { pemEncode } from '../../src/spiffe/x509/pem.ts';
import { encode } from '../../src/wire/wire.ts';
import type { Fetch, FetchListener } from '../../src/workload-api/stream-call.ts';
import { verdictOf } from '../../src/workload-api/verdict.ts';
import { ManualClock } from '../support/clocks/manual-clock.ts';
import { fc, runs } from '../support/properties.ts';
import { loadText } from '../support/sidecar/configuration.ts';
import { responseWith, svidMessage } from '../support/workload-api/workload-messages.ts';
import { type Issued, issueAuthority, issueLeaf, NOW } from '../support/x509/certificates.ts';

const PROCESSES = 6;
const ROTATIONS = 3;
const PIDS = 2;
const ID = 'spiffe://example.org/workload';
const authority = await issueAuthority({ name: 'example.org' });
/** Of each process, one after the other. All have the same SPIFFE ID, so that names tell nothing. */
const leaves: readonly (readonly Issued[])[] = await Promise.all(
  Array.from({ length: PROCESSES }, () => Promise.all(Array.from({ length: ROTATIONS }, () => issueLeaf(authority, ID)))),
);
/** What must not be in a response to another: a key and a certificate as PEM. */
const marks = leaves.map((own) =>
  own.flatMap(({ der, privateKey }) => [pemEncode('PRIVATE KEY', [privateKey]), pemEncode('CERTIFICATE', [der])]),
);

const step = fc.oneof(
  { weight: 3, arbitrary: fc.record({ kind: fc.constant('start' as const), pid: fc.nat(PIDS - 1) }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('exit' as const), process: fc.nat() }) },
  { weight: 4, arbitrary: fc.record({ kind: fc.constant('connect' as const), process: fc.nat() }) },
  { weight: 5, arbitrary: fc.record({ kind: fc.constant('call' as const), connection: fc.nat(), delta: fc.boolean() }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('close' as const), connection: fc.nat() }) },
  { weight: 6, arbitrary: fc.record({ kind: fc.constant('attest' as const), call: fc.nat() }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('rotate' as const), process: fc.nat() }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('deny' as const), call: fc.nat() }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('time' as const), ms: fc.constantFrom(0, 10, 250, 5_000, 61_000) }) },
);
type Step = typeof step extends fc.Arbitrary<infer T> ? T : never;

interface FakeProcess {
  readonly number: number;
  readonly pid: number;
  alive: boolean;
  rotation: number;
  readonly onEnded: Set<() => void>;
}

/** How the agent is asked. */
type Backend = 'broker' | 'delegated_identity';

/** A stream of the agent: about a pid until the agent has looked, then about the process that had it. */
interface AgentCall {
  readonly pid: number;
  readonly say: (leaf: Issued) => void;
  readonly end: FetchListener<unknown>['end'];
  about: FakeProcess | undefined;
  open: boolean;
}

interface Connection {
  readonly peer: Peer;
  readonly process: FakeProcess;
  open: boolean;
  readonly handlers: Set<CallHandler>;
}

class World {
  readonly clock = new ManualClock(NOW);
  readonly processes: FakeProcess[] = [];
  readonly connections: Connection[] = [];
  readonly agentCalls: AgentCall[] = [];
  delivered = 0;
  readonly leaks: string[] = [];
  readonly #backend: Backend;
  readonly node: Node;

  constructor(backend: Backend) {
    this.#backend = backend;
    this.node = new Node(
      {
        configuration: loadText('mode: node\n').configuration,
        access: undefined,
        numbers: new StreamNumbers(),
        paths: [`/${SDS}/StreamSecrets`, `/${SDS}/DeltaSecrets`],
        clock: this.clock,
        random: () => 0,
        events: () => undefined,
      },
      {
        workloads: this.#source(),
        processOf: (peer) => this.#held(peer),
      },
    );
  }

  async play(one: Step): Promise<void> {
    switch (one.kind) {
      case 'start':
        if (this.processes.length < PROCESSES && this.#holderOf(one.pid + 1) === undefined) {
          const number = this.processes.length;
          this.processes.push({ number, pid: one.pid + 1, alive: true, rotation: 0, onEnded: new Set() });
        }
        break;
      case 'exit':
        this.#with(this.processes, one.process, (process) => {
          process.alive = false;
        });
        break;
      case 'connect':
        this.#with(this.processes, one.process, (process) => {
          const peer = { connection: this.connections.length, credentials: { uid: 0, gid: 0, pid: process.pid } };
          if (process.alive) this.connections.push({ peer, process, open: true, handlers: new Set() });
        });
        break;
      case 'call':
        this.#with(this.connections, one.connection, (connection) => this.#call(connection, one.delta));
        break;
      case 'close':
        this.#with(this.connections, one.connection, (connection) => this.#close(connection));
        break;
      case 'attest':
        this.#with(this.agentCalls, one.call, (call) => this.#attest(call));
        break;
      case 'rotate':
        this.#with(this.processes, one.process, (process) => {
          process.rotation = (process.rotation + 1) % ROTATIONS;
          for (const call of this.agentCalls) if (call.open && call.about === process) this.#say(call, process);
        });
        break;
      case 'deny':
        this.#with(this.agentCalls, one.call, (call) => {
          if (!call.open) return;
          call.open = false;
          call.end(status.PERMISSION_DENIED, 'no entry');
        });
        break;
      case 'time':
        this.clock.advance(one.ms);
        for (const process of this.processes) {
          if (process.alive) continue;
          for (const callback of [...process.onEnded]) callback();
        }
    }
    for (let turn = 0; turn < 3; turn++) await setImmediate();
  }

  #with<T>(all: readonly T[], index: number, work: (one: T) => void): void {
    const one = all[index % Math.max(1, all.length)];
    if (one !== undefined) work(one);
  }

  #holderOf(pid: number): FakeProcess | undefined {
    return this.processes.find((process) => process.alive && process.pid === pid);
  }

  #held(peer: Peer) {
    const process = this.connections.find((connection) => connection.peer === peer)?.process;
    if (process === undefined) return undefined;
    return {
      get ended() {
        return !process.alive;
      },
      onEnded(callback: () => void) {
        process.onEnded.add(callback);
        return () => process.onEnded.delete(callback);
      },
      close: () => undefined,
    };
  }

  #source(): WorkloadSource {
    return this.#backend === 'broker' ? this.#broker() : this.#agent();
  }

  #broker(): WorkloadSource {
    const never = () => () => undefined;
    return {
      workload: (name) => ({
        address: 'unix:///broker.sock',
        fetchX509Svid: (listener) =>
          this.#subscribe(name.kind === 'pid' ? name.pid : 0, listener, (leaf) =>
            responseWith([svidMessage(ID, [leaf], [authority])]),
          ),
        fetchX509Bundles: never,
        fetchJwtSvid: () => never,
        fetchJwtBundles: never,
        verdictOf,
      }),
      [Symbol.dispose]: () => undefined,
    };
  }

  /** Bundles are there at once; what is about a workload comes when the agent has looked. */
  #agent(): WorkloadSource {
    const svids =
      ({ pid }: { readonly pid: number }): Fetch<SubscribeToX509SVIDsResponse> =>
      (listener) =>
        this.#subscribe(pid, listener, delegatedMessage);
    const bundles: Fetch<SubscribeToX509BundlesResponse> = (listener) => {
      queueMicrotask(() => listener.message({ ca_certificates: { 'spiffe://example.org': authority.der } }));
      return () => undefined;
    };
    return new DelegatedSource({
      address: 'unix:///admin.sock',
      fetch: <Message>(name: DelegatedMethod, request: object = {}) =>
        (name === 'SubscribeToX509SVIDs'
          ? svids(request as { readonly pid: number })
          : bundles) as Fetch<unknown> as Fetch<Message>,
      [Symbol.dispose]: () => undefined,
    });
  }

  #subscribe<Message>(pid: number, listener: FetchListener<Message>, messageOf: (leaf: Issued) => Message): () => void {
    const call: AgentCall = {
      pid,
      say: (leaf) => listener.message(messageOf(leaf)),
      end: (code, details) => listener.end(code, details),
      about: undefined,
      open: true,
    };
    this.agentCalls.push(call);
    return () => {
      call.open = false;
    };
  }

  #attest(call: AgentCall): void {
    if (!call.open || call.about !== undefined) return;
    call.about = this.#holderOf(call.pid);
    if (call.about !== undefined) this.#say(call, call.about);
  }

  #say({ say }: AgentCall, { number, rotation }: FakeProcess): void {
    say(leaves[number]?.[rotation] as Issued);
  }

  #call(connection: Connection, delta: boolean): void {
    if (!connection.open) return;
    let handler: CallHandler | undefined;
    let over: string | undefined;
    const call = {
      peer: connection.peer,
      send: (frame: Buffer) => {
        this.#look(connection, frame);
        globalThis.setImmediate(() => handler?.sent?.());
      },
      end: (_: number, details: string) => {
        over = details;
        if (handler === undefined) return;
        connection.handlers.delete(handler);
        handler.closed(details);
        handler = undefined;
      },
    };
    const path = `/${SDS}/${delta ? 'DeltaSecrets' : 'StreamSecrets'}`;
    const opened = this.node.router.methods[path]?.(call as unknown as Call, {});
    if (opened === undefined || over !== undefined) return;
    handler = opened;
    connection.handlers.add(opened);
    const names = ['default', 'ROOTCA', ID];
    opened.message(
      delta
        ? encode('envoy.service.discovery.v3.DeltaDiscoveryRequest', { resource_names_subscribe: names })
        : encode('envoy.service.discovery.v3.DiscoveryRequest', { resource_names: names }),
    );
  }

  #close(connection: Connection): void {
    if (!connection.open) return;
    connection.open = false;
    for (const handler of connection.handlers) handler.closed('its connection closed');
    this.node.router.closed(connection.peer);
  }

  #look({ process }: Connection, frame: Buffer): void {
    for (const [number, theirs] of marks.entries()) {
      const found = theirs.some((mark) => frame.includes(mark));
      if (found && number === process.number) this.delivered += 1;
      if (found && number !== process.number) this.leaks.push(`of process ${number} to process ${process.number}`);
    }
  }
}

/** Of one identity, with a key of its own: who gets it may overwrite it. */
function delegatedMessage({ der, privateKey }: Issued): SubscribeToX509SVIDsResponse {
  const id = { trust_domain: 'example.org', path: '/workload' };
  return {
    x509_svids: [{ x509_svid: { id, cert_chain: [der], hint: '' }, x509_svid_key: Uint8Array.from(privateKey) }],
    federates_with: [],
  };
}

test.each<Backend>(['broker', 'delegated_identity'])(
  'no byte of a workload goes to the connection of another process (%s)',
  { timeout: 120_000 },
  async (backend) => {
    let delivered = 0;
    await fc.assert(
      fc.asyncProperty(fc.array(step, { minLength: 20, maxLength: 80 }), async (steps) => {
        const world = new World(backend);
        for (const one of steps) await world.play(one);
        world.node.router.drain();
        world.node.stop();
        expect(world.leaks).toEqual([]);
        delivered += world.delivered;
      }),
      runs(200),
    );
    expect(delivered).toBeGreaterThan(100);
  },
);
