/** gRPC clients that nobody here wrote call our server: gRPC's own for Python (a wrapper of its C core) and for Go. */
import { execFile } from 'node:child_process';
import { mkdtempDisposable } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { beforeAll, describe, expect, test } from 'vitest';
import { pythonPackage } from '../../support/python-packages.ts';
import { COUNTED, DETAILS, InteropServer } from '../../support/sds/interop-service.ts';
import { Child } from '../../support/sidecar/child.ts';

const run = promisify(execFile);
const python = join(import.meta.dirname, 'grpcio_client.py');
const goFolder = join(import.meta.dirname, 'grpc-go');
const goClient = join(import.meta.dirname, '../../../.tools/grpc-go-client');
/** The first time Go fetches and compiles all of grpc-go. */
const GO_BUILD_MS = 300_000;

const library = await pythonPackage('grpcio', 'grpcio==1.85.3');
const goBuilt = await buildGo();

async function buildGo(): Promise<boolean> {
  try {
    await run('go', ['build', '-o', goClient, '.'], { cwd: goFolder, timeout: GO_BUILD_MS });
    return true;
  } catch (error) {
    if (process.env['CI'] === 'true') throw error;
    console.warn(`SKIPPED: the client of grpc-go cannot be built, so it is not tested: ${(error as Error).message}`);
    return false;
  }
}

const CLIENTS = [
  {
    name: 'grpcio',
    there: library !== undefined,
    start: (socket: string) => new Child('python3', [python, socket], { ...process.env, PYTHONPATH: library ?? '' }),
  },
  { name: 'grpc-go', there: goBuilt, start: (socket: string) => new Child(goClient, [socket]) },
];

/** What each case comes to. gRPC, "Status codes". */
const EXPECTED = {
  unary: ['hello', 0],
  large: [900_000, 0],
  'too large': 8,
  details: { code: 5, details: DETAILS },
  'unknown method': 12,
  compressed: 12,
  'server streaming': { bytes: COUNTED, end: 'EOF' },
  duplex: { said: ['one', 'two', 'three'], end: 'EOF' },
  deadline: 4,
  cancelled: 1,
  closing: { code: 14, details: 'another takes its place' },
  'after GOAWAY': ['again', 0],
};

for (const { name, there, start } of CLIENTS) {
  describe.runIf(there)(name, () => {
    const results = new Map<string, unknown>();
    let closed: readonly string[] = [];

    beforeAll(async () => {
      await using parts = new AsyncDisposableStack();
      const socket = join(parts.use(await mkdtempDisposable(join(tmpdir(), 'interop-'))).path, 'grpc.sock');
      const first = await InteropServer.start(socket);
      const toldToClose = first.toldToClose();
      const client = parts.use(start(socket));
      const exit = client.ended();
      await Promise.race([toldToClose, exit.then((code) => Promise.reject(new Error(`it ended with ${code}: ${client.log}`)))]);
      await first[Symbol.asyncDispose]();
      closed = first.closed;
      parts.use(await InteropServer.start(socket));
      expect(await exit, client.log).toBe(0);
      for (const line of client.log.split('\n').filter((text) => text.startsWith('{'))) {
        const told = JSON.parse(line) as { readonly name: string; readonly result: unknown };
        results.set(told.name, told.result);
      }
    }, 60_000);

    test.for(Object.entries(EXPECTED))('%s', ([what, expected]) => {
      expect(results.get(what)).toEqual(expected);
    });

    test('the server hears why each stream ended', () => {
      const gone = 'the client cancelled it or its connection closed';
      expect(closed.toSorted()).toEqual(['another takes its place', 'the client ended it', gone, gone].toSorted());
    });
  });
}
