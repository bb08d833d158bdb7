/** Calls by peers with SPIFFE IDs of their own, to an Envoy that decides what each may do. */
import { once } from 'node:events';
import type { IncomingMessage } from 'node:http';
import { request } from 'node:https';
import type { DevWorkloadApi } from '../../../src/dev/dev-workload-api.ts';

export interface Call {
  /** The path of the caller's SPIFFE ID. */
  readonly as: string;
  readonly method?: string;
  readonly path: string;
  readonly headers?: Readonly<Record<string, string>>;
}

/** @returns the status of each call, on a connection of its own */
export function caller(workloadApi: DevWorkloadApi, port: number): (call: Call) => Promise<number | undefined> {
  return async ({ as, method = 'GET', path, headers = {} }) => {
    const { chainPem, keyPem, bundlePem } = await workloadApi.issueForeign('example.org', as);
    const options = { host: '127.0.0.1', port, agent: false, ca: bundlePem, cert: chainPem, key: keyPem, headers };
    const asking = request({ ...options, method, path, checkServerIdentity: () => undefined });
    asking.end();
    const [response] = (await once(asking, 'response')) as [IncomingMessage];
    response.resume();
    await once(response, 'end');
    return response.statusCode;
  };
}
