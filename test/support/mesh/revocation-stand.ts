/** A real Envoy that asks this process whom to trust, in both forms of a validation context, and lets peers knock. */
import { EventEmitter, once } from 'node:events';
import { mkdtempDisposable } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { connect } from 'node:tls';
import { systemClock } from '../../../src/clock.ts';
import type { Event } from '../../../src/events.ts';
import { SdsService } from '../../../src/sds/service.ts';
import { createSecret } from '../../../src/secrets/secret.ts';
import type { SecretSet } from '../../../src/secrets/secret-set.ts';
import { type Trusted, validationContext } from '../../../src/secrets/validation-context.ts';
import { GrpcServer } from '../../../src/server/grpc/grpc-server.ts';
import { UnixListener } from '../../../src/server/unix-listener.ts';
import { Envoy } from './envoy.ts';
import type { TlsIdentity } from './mtls-client.ts';

/** Each is the name of a listener, and of the validation context that it asks for. */
export const FORMS = ['spiffe', 'trusted_ca'] as const;
export type Form = (typeof FORMS)[number];

export class RevocationStand implements AsyncDisposable {
  readonly #parts: AsyncDisposableStack;
  readonly #service: SdsService;
  readonly #news: EventEmitter;
  readonly envoy: Envoy;
  #ports: ReadonlyMap<Form, number> = new Map();

  private constructor(parts: AsyncDisposableStack, service: SdsService, news: EventEmitter, envoy: Envoy) {
    this.#parts = parts;
    this.#service = service;
    this.#news = news;
    this.envoy = envoy;
  }

  /**
   * Starts one that trusts this trust domain at first.
   * @param server what it shows to peers
   * @param version of Envoy; default: the newest
   */
  static async start(server: TlsIdentity, first: Trusted, version?: string): Promise<RevocationStand> {
    await using parts = new AsyncDisposableStack();
    const path = join(parts.use(await mkdtempDisposable(join(tmpdir(), 'revocation-'))).path, 'sds.sock');
    const news = new EventEmitter();
    const service = new SdsService(
      { validation: 'spiffe', answerEmptyRequest: true, onDemand: () => false, maxNames: 10, bundleAckTimeoutMs: 1_000 },
      { events: (event) => news.emit('event', event), clock: systemClock },
    );
    const grpc = new GrpcServer([service]);
    const socket = createServer((connection) => grpc.accept(connection));
    const listener = await UnixListener.open({ path, mode: 0o600, setting: 'test', server: socket });
    parts.defer(async () => {
      await listener.close();
      await grpc.close(100);
    });
    service.update({ secrets: secretsOf(first), cause: 'workload_api', bundleFirst: false });
    const envoy = parts.use(await Envoy.start(JSON.stringify(bootstrap(path, server)), version));
    await envoy.live();
    const stand = new RevocationStand(parts.move(), service, news, envoy);
    stand.#ports = new Map(await Promise.all(FORMS.map(async (form) => [form, await envoy.port(form)] as const)));
    return stand;
  }

  /**
   * Makes this the trust, and waits until both listeners have taken or refused it.
   * @returns Envoy's words about each form that it refused
   */
  async trust(trusted: Trusted): Promise<readonly string[]> {
    const rejections: string[] = [];
    const settled = new Promise<void>((resolve) => {
      const hear = (event: Event) => {
        if (event.type === 'secrets_rejected') rejections.push(event.reason);
        if (event.type !== 'update_settled') return;
        this.#news.off('event', hear);
        resolve();
      };
      this.#news.on('event', hear);
    });
    this.#service.update({ secrets: secretsOf(trusted), cause: 'workload_api', bundleFirst: false });
    await settled;
    return rejections;
  }

  /** Whether a handshake succeeds. With TLS 1.2, where a client knows that when it ends. */
  async letsIn({ chainPem, keyPem }: TlsIdentity, form: Form): Promise<boolean> {
    const port = this.#ports.get(form) ?? 0;
    const socket = connect({
      host: '127.0.0.1',
      port,
      cert: chainPem,
      key: keyPem,
      maxVersion: 'TLSv1.2',
      rejectUnauthorized: false,
    });
    try {
      await once(socket, 'secureConnect');
      return true;
    } catch {
      return false;
    } finally {
      socket.on('error', () => undefined).destroy();
    }
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#parts.disposeAsync();
  }
}

function secretsOf(trusted: Trusted): SecretSet {
  const secrets = new Map(
    FORMS.map((form) => [form, createSecret(form, 'validation_context', validationContext([trusted], form, []))]),
  );
  const names = [...FORMS];
  return {
    complete: true,
    ids: names,
    names,
    get: (name) => secrets.get(name as Form),
    contentOf: () => undefined,
    denial: () => undefined,
    describe: () => undefined,
    pending: () => false,
  };
}

function bootstrap(path: string, { chainPem, keyPem }: TlsIdentity): object {
  const h2 = 'envoy.extensions.upstreams.http.v3.HttpProtocolOptions';
  return {
    node: { id: 'stand', cluster: 'stand' },
    admin: { address: loopback(0) },
    static_resources: {
      clusters: [
        {
          name: 'sds',
          typed_extension_protocol_options: {
            [h2]: { '@type': `type.googleapis.com/${h2}`, explicit_http_config: { http2_protocol_options: {} } },
          },
          load_assignment: {
            cluster_name: 'sds',
            endpoints: [{ lb_endpoints: [{ endpoint: { address: { pipe: { path } } } }] }],
          },
        },
      ],
      listeners: FORMS.map((form) => ({
        name: form,
        address: loopback(0),
        filter_chains: [{ transport_socket: tlsSocket(form, chainPem, keyPem), filters: [ECHO] }],
      })),
    },
  };
}

const loopback = (port_value: number) => ({ socket_address: { address: '127.0.0.1', port_value } });
const ECHO = {
  name: 'envoy.filters.network.echo',
  typed_config: { '@type': 'type.googleapis.com/envoy.extensions.filters.network.echo.v3.Echo' },
};

function tlsSocket(form: Form, chainPem: string, keyPem: string): object {
  const api_config_source = {
    api_type: 'GRPC',
    transport_api_version: 'V3',
    set_node_on_first_message_only: true,
    grpc_services: [
      { envoy_grpc: { cluster_name: 'sds', retry_policy: { retry_back_off: { base_interval: '0.1s', max_interval: '1s' } } } },
    ],
  };
  return {
    name: 'envoy.transport_sockets.tls',
    typed_config: {
      '@type': 'type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.DownstreamTlsContext',
      require_client_certificate: true,
      common_tls_context: {
        tls_certificates: [{ certificate_chain: { inline_string: chainPem }, private_key: { inline_string: keyPem } }],
        validation_context_sds_secret_config: { name: form, sds_config: { resource_api_version: 'V3', api_config_source } },
      },
    },
  };
}
