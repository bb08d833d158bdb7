/** The ways in which a Workload API fails, from the socket down to the bytes of a message. */
import { link, rename, rm } from 'node:fs/promises';
import { createConnection, createServer, type Server, type Socket } from 'node:net';
import { status } from '@grpc/grpc-js';
import { parseEndpoint } from '../../src/endpoint.ts';
import type { X509SVIDResponse } from '../../src/gen/messages.ts';
import { encode } from '../../src/wire/wire.ts';
import type { Random } from '../fuzz/random.ts';
import type { TestWorkloadApi } from '../support/workload-api/test-workload-api.ts';

const STATUSES = {
  'ends with UNAVAILABLE': status.UNAVAILABLE,
  'ends with OK': status.OK,
  'ends with UNKNOWN': status.UNKNOWN,
  'ends with INTERNAL': status.INTERNAL,
  'ends with RESOURCE_EXHAUSTED': status.RESOURCE_EXHAUSTED,
} as const;

const ENDS = Object.keys(STATUSES) as readonly (keyof typeof STATUSES)[];

/** Thirteen kinds. */
export const FAILURES = [
  'nobody listens',
  'no socket',
  'accepts and says nothing',
  'closes at once',
  'speaks garbage',
  'breaks in the middle of a message',
  'a message that does not verify',
  'a message that is cut short',
  ...ENDS,
] as const;

export type Failure = (typeof FAILURES)[number];

/** What becomes of whoever connects. */
type Mode = 'through' | 'accepts and says nothing' | 'closes at once' | 'speaks garbage' | 'breaks in the middle of a message';

const CUT_BYTES = 20;
/** Longer than HTTP/2's first frames, shorter than those with a message of an SVID. */
const BREAK_AFTER_BYTES = { from: 100, to: 1_500 };

/** Stands between a sidecar and a Workload API, and fails when it is told. */
export class FailingWorkloadApi implements AsyncDisposable {
  readonly address: string;
  /** How often it failed in each way. */
  readonly failed = new Map<Failure, number>();
  readonly #path: string;
  readonly #api: TestWorkloadApi;
  readonly #apiPath: string;
  readonly #random: Random;
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();
  #mode: Mode = 'through';

  private constructor(path: string, api: TestWorkloadApi, apiPath: string, random: Random) {
    this.address = `unix://${path}`;
    this.#path = path;
    this.#api = api;
    this.#apiPath = apiPath;
    this.#random = random;
    this.#server = createServer((socket) => this.#accept(socket));
  }

  static async open(path: string, api: TestWorkloadApi, random: Random): Promise<FailingWorkloadApi> {
    const endpoint = parseEndpoint(api.address);
    if (endpoint.kind !== 'unix') throw new Error(`not a Unix socket: ${api.address}`);
    const failing = new FailingWorkloadApi(path, api, endpoint.path, random);
    await listen(failing.#server, path);
    return failing;
  }

  /** Begins to fail. The function that is returned ends it; one failure at a time. */
  async begin(failure: Failure): Promise<() => Promise<void>> {
    this.failed.set(failure, (this.failed.get(failure) ?? 0) + 1);
    switch (failure) {
      case 'nobody listens':
      case 'no socket': {
        const hidden = `${this.#path}.hidden`;
        await rename(this.#path, hidden);
        if (failure === 'nobody listens') await leaveDeadSocket(this.#path);
        this.#cut();
        return () => rename(hidden, this.#path);
      }
      case 'accepts and says nothing':
      case 'closes at once':
      case 'speaks garbage':
      case 'breaks in the middle of a message':
        this.#mode = failure;
        this.#cut();
        return async () => {
          this.#mode = 'through';
          this.#cut();
        };
      case 'a message that does not verify':
        this.#api.send(withForeignKeys);
        return async () => this.#api.release();
      case 'a message that is cut short':
        this.#api.sendRaw(this.#cutShort());
        return async () => this.#api.release();
      default:
        this.#api.endStreams(STATUSES[failure]);
        return async () => undefined;
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#cut();
    await new Promise<void>((resolve) => this.#server.close(() => resolve()));
  }

  /** Within its last field: cut between two SVIDs it would be a message again. */
  #cutShort(): Buffer {
    let bytes: Buffer = Buffer.alloc(0);
    this.#api.send((response) => {
      bytes = encode('X509SVIDResponse', response);
      return response;
    });
    return bytes.subarray(0, -CUT_BYTES);
  }

  #cut(): void {
    for (const socket of this.#sockets) socket.destroy();
  }

  #accept(socket: Socket): void {
    this.#keep(socket);
    switch (this.#mode) {
      case 'closes at once':
        socket.destroy();
        return;
      case 'accepts and says nothing':
        socket.resume();
        return;
      case 'speaks garbage':
        socket.resume();
        socket.write(this.#random.bytes(256));
        return;
      case 'breaks in the middle of a message':
        this.#relay(socket, BREAK_AFTER_BYTES.from + this.#random.below(BREAK_AFTER_BYTES.to - BREAK_AFTER_BYTES.from));
        return;
      case 'through':
        this.#relay(socket, Number.POSITIVE_INFINITY);
    }
  }

  #relay(socket: Socket, bytes: number): void {
    const upstream = createConnection(this.#apiPath);
    this.#keep(upstream);
    const close = () => {
      socket.destroy();
      upstream.destroy();
    };
    socket.once('close', close);
    upstream.once('close', close);
    socket.pipe(upstream);
    let rest = bytes;
    upstream.on('data', (chunk: Buffer) => {
      socket.write(chunk.subarray(0, Math.min(chunk.length, rest)));
      rest -= chunk.length;
      if (rest <= 0) socket.end(close);
    });
  }

  #keep(socket: Socket): void {
    this.#sockets.add(socket);
    socket.on('error', () => undefined);
    socket.once('close', () => this.#sockets.delete(socket));
  }
}

async function listen(server: Server, path: string): Promise<void> {
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  server.once('error', reject).listen(path, resolve);
  await promise;
}

/** As a process leaves one that was killed. */
async function leaveDeadSocket(path: string): Promise<void> {
  const alive = `${path}.dead`;
  const server = createServer();
  await listen(server, alive);
  await link(alive, path);
  await new Promise<void>((resolve) => server.close(() => resolve()));
  await rm(alive, { force: true });
}

/** Each SVID with the key of the next. */
function withForeignKeys(response: X509SVIDResponse): X509SVIDResponse {
  const keys = response.svids.map(({ x509_svid_key }) => x509_svid_key);
  const svids = response.svids.map((svid, index) => ({
    ...svid,
    x509_svid_key: keys[(index + 1) % keys.length] ?? svid.x509_svid_key,
  }));
  return { ...response, svids };
}
