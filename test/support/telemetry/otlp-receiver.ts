/** A collector: receives OTLP by gRPC or HTTP/protobuf, on TCP or a Unix socket, and keeps it as values. */
import { EventEmitter, once } from 'node:events';
import { createServer, type Server as HttpServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { createServer as createTlsServer } from 'node:https';
import { join } from 'node:path';
import { gunzipSync } from 'node:zlib';
import * as grpc from '@grpc/grpc-js';
import { loadSync } from '@grpc/proto-loader';

export type OtlpValue = string | number | boolean | readonly OtlpValue[] | { readonly [key: string]: OtlpValue };
export type OtlpAttributes = Readonly<Record<string, OtlpValue>>;

/** Field names as in the protocol, ids in hexadecimal, times in nanoseconds as decimal text. */
export interface ReceivedSpan {
  readonly trace_id: string;
  readonly span_id: string;
  readonly parent_span_id: string;
  readonly name: string;
  readonly kind: number;
  readonly start_time_unix_nano: string;
  readonly end_time_unix_nano: string;
  readonly attributes: OtlpAttributes;
  readonly events: readonly { readonly name: string; readonly time_unix_nano: string; readonly attributes: OtlpAttributes }[];
  readonly links: readonly { readonly trace_id: string; readonly span_id: string }[];
  readonly status: { readonly code: number; readonly message: string } | null;
}

export interface ReceivedMetric {
  readonly name: string;
  readonly description: string;
  readonly unit: string;
  readonly gauge?: { readonly points: readonly object[] };
  readonly sum?: { readonly temporality: number; readonly monotonic: boolean; readonly points: readonly object[] };
  readonly histogram?: { readonly temporality: number; readonly points: readonly object[] };
}

export interface ReceivedLogRecord {
  readonly time_unix_nano: string;
  readonly severity_number: number;
  readonly severity_text: string;
  readonly body: OtlpValue;
  readonly event_name: string;
  readonly attributes: OtlpAttributes;
  readonly trace_id: string;
  readonly span_id: string;
}

interface Items {
  readonly traces: ReceivedSpan;
  readonly metrics: ReceivedMetric;
  readonly logs: ReceivedLogRecord;
}

type Signal = keyof Items;

/** One request, of one resource. */
export interface Received<S extends Signal = Signal> {
  readonly signal: S;
  readonly headers: Readonly<Record<string, string>>;
  /** Its attributes. */
  readonly resource: OtlpAttributes;
  readonly items: readonly Items[S][];
}

export interface ReceiverOptions {
  readonly protocol: 'grpc' | 'http/protobuf';
  /** Of a Unix socket; default a port of 127.0.0.1. */
  readonly socketPath?: string;
  /** PEM; with it only clients whose certificates its CA has issued are let in. */
  readonly tls?: { readonly ca: string; readonly key: string; readonly cert: string };
  /** Default: everything is taken. */
  readonly answer?: 'taken' | 'partly taken' | 'refused' | 'never';
  /** What is said of what was not taken. */
  readonly refusal?: string;
}

/** Names of the services, and of the fields from a request down to the items. */
const SERVICES = {
  traces: ['opentelemetry.proto.collector.trace.v1.TraceService', 'resource_spans', 'scope_spans', 'spans'],
  metrics: ['opentelemetry.proto.collector.metrics.v1.MetricsService', 'resource_metrics', 'scope_metrics', 'metrics'],
  logs: ['opentelemetry.proto.collector.logs.v1.LogsService', 'resource_logs', 'scope_logs', 'log_records'],
} as const;
const SIGNALS = Object.keys(SERVICES) as Signal[];

const definitions = loadSync(
  SIGNALS.map((signal) => `${signal}.proto`),
  { includeDirs: [join(import.meta.dirname, 'otlp')], keepCase: true, longs: String, defaults: true, oneofs: true },
);

export class OtlpReceiver implements AsyncDisposable {
  readonly received: Received[] = [];
  /** Of HTTP requests. */
  readonly paths: string[] = [];
  readonly #options: ReceiverOptions;
  readonly #news = new EventEmitter();
  #port = 0;
  #close: () => Promise<void> = async () => undefined;

  private constructor(options: ReceiverOptions) {
    this.#options = options;
  }

  static async open(options: ReceiverOptions): Promise<OtlpReceiver> {
    const receiver = new OtlpReceiver(options);
    await (options.protocol === 'grpc' ? receiver.#listenGrpc() : receiver.#listenHttp());
    return receiver;
  }

  /** What an OTLP endpoint is set to. */
  get endpoint(): string {
    const { socketPath, tls } = this.#options;
    if (socketPath !== undefined) return `unix://${socketPath}`;
    return `${tls === undefined ? 'http://127.0.0.1' : 'https://localhost'}:${this.#port}`;
  }

  /** All of a signal so far. */
  items<S extends Signal>(signal: S): readonly Items[S][] {
    return this.#of(signal).flatMap(({ items }) => items);
  }

  /** The first export of a signal, when it is here. */
  async first<S extends Signal>(signal: S): Promise<Received<S>> {
    await this.reached(() => this.#of(signal).length > 0);
    return this.#of(signal)[0] as Received<S>;
  }

  /** Waits until what was received fulfils a condition. */
  async reached(isMet: () => boolean): Promise<void> {
    const signal = AbortSignal.timeout(8000);
    while (!isMet()) await once(this.#news, 'received', { signal });
  }

  #of<S extends Signal>(signal: S): readonly Received<S>[] {
    return this.received.filter((one): one is Received<S> => one.signal === signal);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#close();
  }

  async #listenGrpc(): Promise<void> {
    const { socketPath, tls } = this.#options;
    const server = new grpc.Server();
    for (const signal of SIGNALS) {
      const definition = serviceOf(signal);
      server.addService(definition, {
        Export: ({ request, metadata }: grpc.ServerUnaryCall<object, object>, done: grpc.sendUnaryData<object>) => {
          const headers = Object.entries(metadata.getMap()).map(([name, value]) => [name, String(value)]);
          this.#receive(signal, request, Object.fromEntries(headers));
          const { answer = 'taken', refusal = 'refused' } = this.#options;
          if (answer === 'refused') done({ code: grpc.status.UNAUTHENTICATED, details: refusal });
          else if (answer !== 'never') done(null, this.#answer);
        },
      });
    }
    const credentials =
      tls === undefined
        ? grpc.ServerCredentials.createInsecure()
        : grpc.ServerCredentials.createSsl(
            Buffer.from(tls.ca),
            [{ private_key: Buffer.from(tls.key), cert_chain: Buffer.from(tls.cert) }],
            true,
          );
    const target = socketPath === undefined ? '127.0.0.1:0' : `unix:${socketPath}`;
    const port = await new Promise<number>((resolve, reject) => {
      server.bindAsync(target, credentials, (error, bound) => (error === null ? resolve(bound) : reject(error)));
    });
    this.#port = port;
    this.#close = async () => server.forceShutdown();
  }

  async #listenHttp(): Promise<void> {
    const { socketPath, tls } = this.#options;
    const handle = (request: IncomingMessage, response: ServerResponse) => void this.#serve(request, response);
    const server: HttpServer =
      tls === undefined ? createServer(handle) : createTlsServer({ ...tls, requestCert: true, rejectUnauthorized: true }, handle);
    await new Promise<void>((resolve) => {
      if (socketPath === undefined) server.listen(0, '127.0.0.1', resolve);
      else server.listen(socketPath, resolve);
    });
    const address = server.address();
    this.#port = address !== null && typeof address === 'object' ? address.port : 0;
    this.#close = () => {
      const closed = new Promise<void>((resolve) => server.close(() => resolve()));
      server.closeAllConnections();
      return closed;
    };
  }

  async #serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk);
    this.paths.push(request.url ?? '');
    const signal = SIGNALS.find((one) => request.url?.endsWith(`/v1/${one}`));
    if (signal === undefined) return void response.writeHead(404).end();
    const { Export } = serviceOf(signal) as { Export: grpc.MethodDefinition<object, object> };
    const body = Buffer.concat(chunks);
    const message = Export.requestDeserialize(request.headers['content-encoding'] === 'gzip' ? gunzipSync(body) : body);
    const headers = Object.entries(request.headers).map(([name, value]) => [name, String(value)]);
    this.#receive(signal, message, Object.fromEntries(headers));
    const { answer = 'taken', refusal = 'refused' } = this.#options;
    if (answer === 'refused') response.writeHead(401, refusal).end(refusal);
    else if (answer !== 'never') response.end(Export.responseSerialize(this.#answer));
  }

  get #answer(): object {
    const { answer, refusal = 'refused' } = this.#options;
    return answer === 'partly taken' ? { partial_success: { rejected: 1, error_message: refusal } } : {};
  }

  #receive(signal: Signal, message: object, headers: Readonly<Record<string, string>>): void {
    const [, resourceField, scopeField, itemField] = SERVICES[signal];
    for (const group of listOf(message, resourceField)) {
      const items = listOf(group, scopeField)
        .flatMap((scope) => listOf(scope, itemField))
        .map((item) => readable(item));
      const { resource } = group as { resource: { attributes: readonly KeyValue[] } | null };
      const attributes = attributesOf(resource?.attributes ?? []);
      this.received.push({ signal, headers, resource: attributes, items } as Received);
    }
    this.#news.emit('received');
  }
}

function serviceOf(signal: Signal): grpc.ServiceDefinition {
  return definitions[SERVICES[signal][0]] as grpc.ServiceDefinition;
}

function listOf(message: object, field: string): readonly object[] {
  return (message as Readonly<Record<string, readonly object[]>>)[field] ?? [];
}

interface KeyValue {
  readonly key: string;
  readonly value: AnyValue;
}

/** A oneof of proto-loader: `value` names the field that is set. */
interface AnyValue {
  readonly value: 'string_value' | 'bool_value' | 'int_value' | 'double_value' | 'array_value' | 'kvlist_value';
  readonly string_value: string;
  readonly bool_value: boolean;
  readonly int_value: string;
  readonly double_value: number;
  readonly array_value: { readonly values: readonly AnyValue[] };
  readonly kvlist_value: { readonly values: readonly KeyValue[] };
}

/** Ids as hexadecimal text, attributes as a plain object. */
function readable(value: unknown, field = ''): unknown {
  if (Buffer.isBuffer(value)) return value.toString('hex');
  if (field === 'attributes') return attributesOf(value as readonly KeyValue[]);
  if (field === 'body') return contentOf(value as AnyValue);
  if (Array.isArray(value)) return value.map((one) => readable(one));
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([name, inner]) => [name, readable(inner, name)]));
}

function attributesOf(pairs: readonly KeyValue[]): OtlpAttributes {
  return Object.fromEntries(pairs.map(({ key, value }) => [key, contentOf(value)]));
}

function contentOf(any: AnyValue): OtlpValue {
  switch (any.value) {
    case 'int_value':
      return Number(any.int_value);
    case 'array_value':
      return any.array_value.values.map(contentOf);
    case 'kvlist_value':
      return attributesOf(any.kvlist_value.values);
    default:
      return any[any.value];
  }
}
