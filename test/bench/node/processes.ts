/** Many processes that each have a connection to the sidecar, and what this process says and hears through it. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createServer, type Server, type Socket } from 'node:net';
import { join } from 'node:path';
import { SdsConnection } from '../sds-connection.ts';

const PROGRAM = join(import.meta.dirname, 'processes.py');
const PID_BYTES = 4;

/** A process, and its connection. */
export interface ConnectedProcess {
  readonly pid: number;
  readonly connection: SdsConnection;
}

export class Processes implements AsyncDisposable {
  readonly all: readonly ConnectedProcess[];
  readonly #parent: ChildProcess;

  private constructor(parent: ChildProcess, all: readonly ConnectedProcess[]) {
    this.#parent = parent;
    this.all = all;
  }

  /**
   * @param socket of the sidecar
   * @param back a path in a folder of ours
   * @param part its abort ends them
   */
  static async start(socket: string, back: string, count: number, part: AbortController): Promise<Processes> {
    const server = createServer();
    server.listen(back);
    await once(server, 'listening');
    const parent = spawn('python3', [PROGRAM, socket, back, String(count)], { stdio: ['ignore', 'ignore', 'inherit'] });
    const kill = () => parent.kill('SIGKILL');
    process.once('exit', kill);
    part.signal.addEventListener('abort', kill);
    try {
      const all = await connectedTo(server, count);
      return new Processes(parent, all);
    } finally {
      server.close();
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const ended = this.#parent.exitCode === null ? once(this.#parent, 'exit') : undefined;
    for (const { connection } of this.all) connection[Symbol.dispose]();
    await ended;
  }
}

async function connectedTo(server: Server, count: number): Promise<readonly ConnectedProcess[]> {
  const all: ConnectedProcess[] = [];
  const { promise: complete, resolve, reject } = Promise.withResolvers<void>();
  server.on('connection', (socket) => {
    void pidOf(socket).then((pid) => {
      all.push({ pid, connection: SdsConnection.over(socket) });
      if (all.length === count) resolve();
    }, reject);
  });
  await complete;
  return all;
}

async function pidOf(socket: Socket): Promise<number> {
  for (;;) {
    const bytes: Buffer | null = socket.read(PID_BYTES);
    if (bytes !== null) return bytes.readUInt32BE();
    await once(socket, 'readable');
  }
}
