/** The development Broker endpoint: mutual TLS on a Unix socket, beside a development Workload API. Not for production. */
import { createServer, type TLSSocket } from 'node:tls';
import { type Clock, systemClock } from '../clock.ts';
import { parseEndpoint } from '../endpoint.ts';
import { SpiffeSdsError } from '../error.ts';
import { GrpcServer } from '../server/grpc/grpc-server.ts';
import { certificatesPem, privateKeyPem } from './authority.ts';
import { BrokerService } from './broker-service.ts';
import { DevSocket } from './dev-socket.ts';
import type { DevWorkloadApi } from './dev-workload-api.ts';
import type { ProcessFinder } from './processes.ts';
import type { WorkloadState } from './workload-state.ts';

export interface DevBrokerOptions {
  /** `unix:///absolute/path`. */
  readonly address: string;
  readonly workloadApi: DevWorkloadApi;
  /** The SPIFFE IDs of those that may ask. */
  readonly admits: readonly string[];
  /** The path of its own SPIFFE ID. Default `/spire/agent/dev/broker`. */
  readonly path?: string;
  readonly find?: ProcessFinder;
  readonly clock?: Clock;
}

/** Its own certificate is renewed with each change of the Workload API, so it lives as long as others do. */
export class DevBroker implements AsyncDisposable {
  readonly address: string;
  readonly #socket: DevSocket;
  readonly #service: BrokerService;
  readonly #unfollow: () => void;

  private constructor(address: string, service: BrokerService, socket: DevSocket, unfollow: () => void) {
    this.address = address;
    this.#service = service;
    this.#socket = socket;
    this.#unfollow = unfollow;
  }

  /** @throws SpiffeSdsError `endpoint_invalid`, or `listen_failed` when the socket cannot be had */
  static async start({
    address,
    workloadApi,
    admits,
    path = '/spire/agent/dev/broker',
    find,
    clock = systemClock,
  }: DevBrokerOptions): Promise<DevBroker> {
    const endpoint = parseEndpoint(address, { unixOnly: true });
    if (endpoint.kind !== 'unix')
      throw new SpiffeSdsError(
        'endpoint_invalid',
        `the development broker cannot listen on ${address}: it must be unix:///absolute/path`,
      );
    const service = new BrokerService({ clock, ...(find && { find }) });
    const grpc = new GrpcServer([service], { clock });
    const tls = createServer({ requestCert: true, rejectUnauthorized: true, ALPNProtocols: ['h2'] }, (socket) => {
      if (isAdmitted(socket, admits)) grpc.accept(socket);
      else socket.destroy();
    });
    const renew = async (state: WorkloadState) => {
      const { chain, privateKey } = await workloadApi.issueServer(path);
      const ca = certificatesPem(state.authorities.map(({ certificate }) => certificate));
      tls.setSecureContext({ key: privateKeyPem(privateKey), cert: certificatesPem(chain), ca });
    };
    let renewed = Promise.resolve();
    const unfollow = workloadApi.follow((state) => {
      service.publish(state);
      renewed = renew(state);
    });
    await renewed;
    const where = { path: endpoint.path, mode: 0o777, setting: 'broker.address' };
    return new DevBroker(address, service, await DevSocket.open({ ...where, grpc, server: tls }), unfollow);
  }

  /** Open streams with SVIDs. */
  get subscriptions(): number {
    return this.#service.subscriptions;
  }

  async close(): Promise<void> {
    this.#unfollow();
    await this.#socket.close();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }
}

function isAdmitted(socket: TLSSocket, admits: readonly string[]): boolean {
  const uris = (socket.getPeerCertificate().subjectaltname ?? '').split(', ').filter((name) => name.startsWith('URI:'));
  return uris.length === 1 && admits.includes(uris[0]?.slice('URI:'.length) ?? '');
}
