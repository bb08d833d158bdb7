/** The client's side of the admin API. */
import { request } from 'node:http';
import { formatAdminListen } from '../../config/schema/telemetry-schema.ts';
import type { Endpoint } from '../../endpoint.ts';
import { SpiffeSdsError } from '../../error.ts';

const MAX_BYTES = 64 * 1024 * 1024;

export interface AdminReply {
  readonly status: number;
  readonly body: string;
}

/** @throws SpiffeSdsError `admin_failed`, with what to look at */
export function askAdmin(endpoint: Endpoint, path: string, timeoutMs: number): Promise<AdminReply> {
  const to = endpoint.kind === 'unix' ? { socketPath: endpoint.path } : { host: endpoint.host, port: endpoint.port };
  return new Promise((resolve, reject) => {
    const failed = ({ code, message }: NodeJS.ErrnoException) => {
      const what = code === 'ABORT_ERR' ? `no answer within ${timeoutMs / 1000} s` : message;
      const mend = 'does spiffe-sds run, and is its admin API there (admin.listen; --admin asks another address)?';
      reject(new SpiffeSdsError('admin_failed', `asking the admin API at ${formatAdminListen(endpoint)}: ${what}: ${mend}`));
    };
    const signal = AbortSignal.timeout(timeoutMs);
    const asking = request({ ...to, path, signal, agent: false, headers: { host: 'localhost' } }, (response) => {
      const chunks: Buffer[] = [];
      let bytes = 0;
      response.on('error', failed);
      response.on('data', (chunk: Buffer) => {
        chunks.push(chunk);
        bytes += chunk.length;
        if (bytes > MAX_BYTES) response.destroy(new Error('the answer is too long'));
      });
      response.on('end', () => resolve({ status: response.statusCode ?? 0, body: Buffer.concat(chunks).toString() }));
    });
    asking.on('error', failed);
    asking.end();
  });
}
