/** What is measured: the sidecar as it is released, and beside it a bare HTTP/2 server that does as much. */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { buildSync } from 'esbuild';
import { stringify } from 'yaml';
import type { X509SVIDResponse } from '../../src/gen/messages.ts';
import { encode } from '../../src/wire/wire.ts';
import type { TestWorkloadApi } from '../support/workload-api/test-workload-api.ts';
import { frame } from './frames.ts';
import { SdsConnection } from './sds-connection.ts';
import { type Measured, ServerProcess } from './server-process.ts';

export interface Subject {
  /**
   * Spawns it, and waits for nothing.
   * @param part its abort ends the process
   */
  start(part: AbortController): Running;
}

export interface Running extends AsyncDisposable {
  readonly process: Measured;
  readonly socket: string;
  /** Call it when it has answered. The function makes it send something new to every subscriber. */
  publisher(): Promise<() => void>;
}

const SIDECAR = join(import.meta.dirname, '..', '..', 'dist', 'main.js');
const PADDING = 4;
const FLOOR = join(import.meta.dirname, 'floor-server.ts');
const BARE = join(import.meta.dirname, 'bare-server.ts');

/** What is told of the sidecar while it is measured. */
export interface SubjectOptions {
  /** What stands in its configuration file. Default: nothing, so what it does when nobody configures it. */
  readonly configuration?: object;
  readonly env?: NodeJS.ProcessEnv;
}

/** @param rotations encoded X509SVIDResponses, from `issueRotations` */
export function sidecarSubject(
  folder: string,
  api: TestWorkloadApi,
  rotations: readonly Buffer[],
  options: SubjectOptions = {},
): Subject {
  const socket = join(folder, 'sds.sock');
  const file = join(mkdtempSync(join(folder, 'configuration-')), 'spiffe-sds.yaml');
  writeFileSync(file, stringify(options.configuration ?? {}));
  // As its shebang starts it, without /usr/bin/env in between.
  const [, , , ...flags] = readFileSync(SIDECAR, 'utf8').split('\n', 1)[0]?.split(' ') ?? [];
  // Without a file, as most run it. The admin API has the default port; if that is taken, there is none, and the sidecar goes on.
  const inherited = Object.entries(process.env).filter(([name]) => !/^(SPIFFE_|OTEL_|NODE_)/.test(name));
  const env = {
    ...Object.fromEntries(inherited),
    SPIFFE_ENDPOINT_SOCKET: api.address,
    SPIFFE_SDS_LISTEN: `unix://${socket}`,
    ...(options.configuration && { SPIFFE_SDS_CONFIG: file }),
    ...options.env,
  };
  return {
    start(part) {
      const server = new ServerProcess([...flags, SIDECAR, 'serve'], env, part);
      let sent = 0;
      return {
        process: server,
        socket,
        publisher: async () => () => api.sendRaw(rotations[sent++ % rotations.length] as Buffer),
        [Symbol.asyncDispose]: () => server[Symbol.asyncDispose](),
      };
    },
  };
}

/** @param sizes bytes of its first answer, and of what it pushes */
export function floorSubject(folder: string, sizes: Sizes): Subject {
  return relaySubject(folder, 'floor', FLOOR, [], sizes);
}

/** A gRPC server that does as much as the floor. */
export function bareSubject(folder: string, kind: 'own' | 'grpc-js', sizes: Sizes): Subject {
  return relaySubject(folder, kind, BARE, [kind], sizes);
}

/** Bytes of messages. */
export interface Sizes {
  readonly answer: number;
  readonly push: number;
}

/** A server whose stream on /source is its upstream. */
function relaySubject(folder: string, name: string, source: string, args: readonly string[], sizes: Sizes): Subject {
  const socket = join(folder, `${name}.sock`);
  const script = join(folder, `${name}.mjs`);
  const banner = { js: "import { createRequire } from 'node:module'; const require = createRequire(import.meta.url);" };
  buildSync({ entryPoints: [source], outfile: script, bundle: true, platform: 'node', format: 'esm', banner });
  const message = frame(Buffer.alloc(sizes.push, 'y'));
  return {
    start(part) {
      // One that was killed has left its socket behind.
      rmSync(socket, { force: true });
      const server = new ServerProcess(
        ['--max-semi-space-size=2', script, ...args, socket, String(sizes.answer)],
        process.env,
        part,
      );
      let source: SdsConnection | undefined;
      return {
        process: server,
        socket,
        async publisher() {
          source = await SdsConnection.open(socket);
          await source.settled();
          const stream = source.stream(Buffer.alloc(0), () => {}, '/source');
          return () => stream.write(message);
        },
        async [Symbol.asyncDispose]() {
          source?.[Symbol.dispose]();
          await server[Symbol.asyncDispose]();
        },
      };
    },
  };
}

/** New SVIDs, issued before anything is measured. */
export async function issueRotations(api: TestWorkloadApi, count: number): Promise<readonly Buffer[]> {
  const rotations: Buffer[] = [];
  for (let i = 0; i < count; i++) {
    await api.rotate();
    api.send((response) => {
      rotations.push(encode('X509SVIDResponse', padded(response)));
      return response;
    });
  }
  return rotations;
}

/** Messages in which the default identity alone is new, whatever stands beside it. */
export async function issueRotationsOfOne(api: TestWorkloadApi, count: number): Promise<readonly Buffer[]> {
  const issued: X509SVIDResponse[] = [];
  for (let i = 0; i < count; i++) {
    await api.rotate();
    api.send((response) => {
      issued.push(response);
      return response;
    });
  }
  // The rest is as it was in the message that a sidecar gets when it connects: the last one.
  const others = issued.at(-1)?.svids.slice(1) ?? [];
  return issued.map((response) => encode('X509SVIDResponse', { ...response, svids: [...response.svids.slice(0, 1), ...others] }));
}

/** Authorities' certificates after the leaf make a secret of some 4 KB. */
function padded(response: X509SVIDResponse): X509SVIDResponse {
  const svids = response.svids.map((svid) => ({
    ...svid,
    x509_svid: Buffer.concat([svid.x509_svid, ...Array.from({ length: PADDING }, () => svid.bundle)]),
  }));
  return { ...response, svids };
}
