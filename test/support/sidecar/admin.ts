/** A sidecar in this process with its admin API, asked over real sockets. */
import { once } from 'node:events';
import { mkdtempDisposable } from 'node:fs/promises';
import { request } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { startAdmin } from '../../../src/admin/admin-server.ts';
import type { MetricsPage } from '../../../src/admin/routes.ts';
import type { Status } from '../../../src/admin/status.ts';
import { type Clock, systemClock } from '../../../src/clock.ts';
import type { DevWorkloadApiOptions } from '../../../src/dev/dev-workload-api.ts';
import type { Event } from '../../../src/events.ts';
import { startRunning } from './sidecar.ts';

export interface Reply {
  readonly status: number;
  readonly headers: Readonly<Record<string, unknown>>;
  readonly body: string;
}

export type To = { readonly socketPath: string } | { readonly port: number };

export async function ask(
  to: To,
  path: string,
  options: { method?: string; headers?: Record<string, string> } = {},
): Promise<Reply> {
  const asking = request({ ...to, path, agent: false, headers: { host: 'localhost' }, ...options });
  asking.end();
  const [response] = await once(asking, 'response');
  let body = '';
  for await (const chunk of response.setEncoding('utf8')) body += chunk;
  return { status: response.statusCode, headers: response.headers, body };
}

export interface ServingOptions {
  readonly workload?: Partial<DevWorkloadApiOptions>;
  /** `admin`, as a configuration has it. Default: a Unix socket. */
  readonly admin?: (folder: string) => object;
  /** What else stands in the configuration, where FOLDER is the folder of the sockets. */
  readonly configuration?: object;
  readonly clock?: Clock;
  readonly metrics?: MetricsPage;
}

/** A sidecar with its admin API. */
export async function serving({
  workload,
  admin,
  configuration: more = {},
  clock = systemClock,
  metrics = () => undefined,
}: ServingOptions = {}) {
  await using stack = new AsyncDisposableStack();
  const folder = stack.use(await mkdtempDisposable(join(tmpdir(), 'spiffe-sds-')));
  const socketPath = join(folder.path, 'admin.sock');
  const configuration = { ...more, admin: admin?.(folder.path) ?? { listen: `unix://${socketPath}` } };
  const running = stack.use(
    await startRunning({ identities: [{ path: '/web' }], ...workload }, JSON.stringify(configuration), clock),
  );
  const told: Event[] = [];
  const api = stack.use(
    await startAdmin({
      configuration: running.loaded.configuration,
      loaded: () => running.loaded,
      observed: running.observed,
      sidecar: running.sidecar,
      metrics,
      clock,
      events: (event) => told.push(event),
    }),
  );
  const to: To = { socketPath };
  const owned = stack.move();
  return {
    running,
    api,
    told,
    to,
    get: (path: string) => ask(to, path),
    status: async (query = '') => JSON.parse((await ask(to, `/v1/status${query}`)).body) as Status,
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  };
}

export type Serving = Awaited<ReturnType<typeof serving>>;
