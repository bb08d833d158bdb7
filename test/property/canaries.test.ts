/** Ten thousand events with keys and tokens in them, and not a byte of those in anything that is told. */
import { mkdtempDisposable } from 'node:fs/promises';
import { get } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { expect, test } from 'vitest';
import { eventually } from '../support/eventually.ts';
import { fc } from '../support/properties.ts';
import { type DeltaStream, SdsClient, type SdsStream, secretsOf } from '../support/sds/sds-client.ts';
import { SidecarProcess } from '../support/sidecar/sidecar-process.ts';
import { OtlpReceiver } from '../support/telemetry/otlp-receiver.ts';
import { TestWorkloadApi } from '../support/workload-api/test-workload-api.ts';

const EVENTS = 10_000;
const TOKEN = 'canary-f3b0c44298fc1c149afbf4c8996fb924';
const NAMES = ['default', 'ROOTCA', 'spiffe://example.org/web', 'spiffe://example.org', 'nobody', 'payments-token', 'raw-token'];
const IDENTITIES = [{ path: '/web' }, { path: '/api', hint: 'api' }];
/** Of a P-256 key in PKCS#8: before this stands what all keys have in common, after it the public key. */
const SCALAR = { from: 36, to: 68 };
const WINDOW = 12;

type Words = (pem: string) => string;
const WORDS: readonly Words[] = [
  (pem) => `Failed to load private key from <inline>: ${pem}`,
  (pem) => pem.replaceAll('\n', '\\n'),
  (pem) =>
    `Proto constraint validation failed: tls_certificate { private_key { inline_bytes: "${pem.replaceAll('\n', '\\n')}" } }`,
  (pem) => `goo.gle/debugstr 2 { 2 { 2: "${bodyOf(pem)}" } }`,
  (pem) => `private key ${bodyOf(pem)}`,
  (pem) => `key ${Buffer.from(bodyOf(pem), 'base64').toString('hex')} is bad`,
  (pem) => `Failed to load generic secret: Bearer ${pem}`,
  (pem) => `generic_secret { secret { inline_bytes: "${pem}" } }`,
  (pem) => `{"privateKey":{"inlineBytes":"${Buffer.from(pem).toString('base64')}"}}`,
];

const words = fc.constantFrom(...WORDS);
const step = fc.oneof(
  {
    weight: 12,
    arbitrary: fc.record({ kind: fc.constant('answer' as const), words: fc.option(words, { nil: undefined, freq: 3 }) }),
  },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('rotate' as const) }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('other identity' as const) }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('broken message' as const), at: fc.nat(100) }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('reopen' as const), names: fc.subarray(NAMES, { minLength: 1 }) }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('fetch' as const), names: fc.subarray(NAMES) }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('ask' as const) }) },
);
type Step = typeof step extends fc.Arbitrary<infer T> ? T : never;

test('neither a key nor a token reaches a log, metric, span, audit line or admin answer', { timeout: 300_000 }, async () => {
  const seed = Math.floor(Math.random() * 2 ** 31);
  await using scene = await Scene.open();
  const random = fc.sample(step, { numRuns: 20_000, seed });
  for (const one of random) {
    if (scene.told > EVENTS) break;
    await scene.play(one);
  }
  const outputs = await scene.end();
  expect([scene.told > EVENTS, scene.keys.size > 20, scene.tokens.size > 20], `seed ${seed}`).toEqual([true, true, true]);
  for (const [output, content] of outputs) {
    expect([output, leaksIn(content, scene.keys, scene.tokens)], `seed ${seed}`).toEqual([output, []]);
    // Each has something to tell.
    expect([output, content.length > 100]).toEqual([output, true]);
  }
});

class Scene implements AsyncDisposable {
  /** PEM of every private key that was served. */
  readonly keys = new Set<string>();
  /** Every token that was served. */
  readonly tokens = new Set<string>();
  readonly #parts: AsyncDisposableStack;
  readonly #workloadApi: TestWorkloadApi;
  readonly #sidecar: SidecarProcess;
  readonly #collector: OtlpReceiver;
  readonly #admin: string;
  readonly #client: SdsClient;
  readonly #pages: string[] = [];
  #isSwapped = false;
  #sotw!: SdsStream;
  #delta!: DeltaStream;

  private constructor(
    parts: AsyncDisposableStack,
    workloadApi: TestWorkloadApi,
    sidecar: SidecarProcess,
    collector: OtlpReceiver,
    folder: string,
  ) {
    this.#parts = parts;
    this.#workloadApi = workloadApi;
    this.#sidecar = sidecar;
    this.#collector = collector;
    this.#admin = join(folder, 'admin.sock');
    this.#client = parts.use(new SdsClient(join(folder, 'sds.sock')));
    this.#open(NAMES);
  }

  static async open(): Promise<Scene> {
    await using stack = new AsyncDisposableStack();
    const folder = stack.use(await mkdtempDisposable(join(tmpdir(), 'canaries-'))).path;
    const address = `unix://${folder}/workload.sock`;
    const workloadApi = stack.use(await TestWorkloadApi.start({ address, rotateEveryMs: 0, identities: IDENTITIES }));
    const collector = stack.use(await OtlpReceiver.open({ protocol: 'grpc' }));
    const otlp = {
      endpoint: collector.endpoint,
      protocol: 'grpc',
      headers: { authorization: `Bearer ${TOKEN}` },
      logs: true,
      metric_interval: '1s',
    };
    const sidecar = stack.use(
      await SidecarProcess.start(address, join(folder, 'sds.sock'), {
        admin: { listen: `unix://${folder}/admin.sock` },
        secrets: [
          { name: 'payments-token', jwt_svid: { audience: ['payments'] } },
          { name: 'raw-token', jwt_svid: { audience: ['payments', 'stock'], format: 'raw' } },
        ],
        telemetry: { otlp },
        log: { audit: 'stdout' },
      }),
    );
    await sidecar.event(({ event }) => event === 'admin_listening');
    return new Scene(stack.move(), workloadApi, sidecar, collector, folder);
  }

  get told(): number {
    return this.#sidecar.told;
  }

  async play(step: Step): Promise<void> {
    switch (step.kind) {
      case 'answer':
        await this.#answer(step.words);
        break;
      case 'rotate':
        await this.#workloadApi.rotate();
        break;
      case 'other identity':
        this.#isSwapped = !this.#isSwapped;
        await this.#workloadApi.setIdentities(this.#isSwapped ? IDENTITIES.toReversed() : IDENTITIES);
        break;
      case 'broken message':
        this.#workloadApi.send((response) => ({
          ...response,
          svids: response.svids.map((svid) => ({ ...svid, x509_svid_key: svid.x509_svid_key.subarray(0, step.at) })),
        }));
        break;
      case 'reopen':
        this.#sotw.cancel();
        this.#delta.cancel();
        this.#open(step.names);
        break;
      case 'fetch':
        await this.#client.fetch(step.names).catch(() => undefined);
        break;
      case 'ask':
        this.#pages.push(await this.#page('/v1/status'), await this.#page('/metrics'), await this.#page('/readyz?verbose'));
        break;
    }
  }

  /** All that was told, by where. */
  async end(): Promise<readonly (readonly [string, string])[]> {
    await eventually('all three signals', async () => {
      const signals = new Set(this.#collector.received.map(({ signal }) => signal));
      return signals.size === 3 || undefined;
    });
    const check = await this.#page('/metrics', 'application/openmetrics-text');
    await this.#sidecar.stop();
    const exported = (wanted: string) =>
      JSON.stringify(
        this.#collector.received.filter(({ signal }) => signal === wanted).map(({ items, resource }) => [items, resource]),
      );
    const lines = this.#sidecar.log.split('\n');
    return [
      ['log', lines.filter((line) => !line.includes('"event_type"')).join('\n')],
      ['audit', lines.filter((line) => line.includes('"event_type"')).join('\n')],
      ['admin', this.#pages.join('\n')],
      ['OpenMetrics', check],
      ...['traces', 'metrics', 'logs'].map((signal) => [signal, exported(signal)] as const),
    ];
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#parts.disposeAsync();
  }

  #open(names: readonly string[]): void {
    const node = { id: 'edge' };
    this.#sotw = this.#client.stream().request(names, { node });
    this.#delta = this.#client.delta().request({ resource_names_subscribe: names, node });
  }

  /** Whatever waits is taken, or rejected in these words. */
  async #answer(words: Words | undefined): Promise<void> {
    const newest = [[...this.keys].at(-1), [...this.tokens].at(-1)].filter((one) => one !== undefined);
    const pem = newest[this.told % newest.length];
    const reject = pem === undefined ? undefined : words?.(pem);
    while (this.#sotw.waiting > 0) {
      const response = await this.#sotw.next();
      for (const { tls_certificate, generic_secret } of secretsOf(response)) {
        this.#remember(tls_certificate?.private_key?.inline_bytes);
        this.#rememberToken(generic_secret?.secret?.inline_bytes);
      }
      if (reject === undefined) this.#sotw.ack(response);
      else this.#sotw.nack(response, reject);
    }
    while (this.#delta.waiting > 0) {
      const response = await this.#delta.next();
      if (reject === undefined) this.#delta.ack(response);
      else this.#delta.nack(response, reject);
    }
    await new Promise(setImmediate);
  }

  #remember(key: Uint8Array | undefined): void {
    if (key !== undefined) this.keys.add(Buffer.from(key).toString());
  }

  #rememberToken(secret: Uint8Array | undefined): void {
    if (secret !== undefined) this.tokens.add(Buffer.from(secret).toString().replace('Bearer ', ''));
  }

  #page(path: string, accept = 'text/plain'): Promise<string> {
    return new Promise((resolve, reject) => {
      get({ socketPath: this.#admin, path, headers: { host: 'localhost', accept } }, (response) => resolve(text(response))).on(
        'error',
        reject,
      );
    });
  }
}

function bodyOf(pem: string): string {
  return pem.replaceAll(/-----[^-]+-----|\s/g, '');
}

/** Parts of private scalars in base64 or hexadecimal, parts of the signatures of tokens, and the token of the collector. */
function leaksIn(content: string, keys: ReadonlySet<string>, tokens: ReadonlySet<string>): readonly string[] {
  const scalars = [...keys].flatMap((pem) => [...windows(base64Scalar(pem)), ...windows(hexScalar(pem))]);
  // The header and the beginning of the claims are the same for all, and no secret; without its signature a token is worth nothing.
  const signatures = [...tokens].flatMap((token) => windows(token.split('.')[2] ?? ''));
  const canaries = new Set([...scalars, ...signatures]);
  const found = windows(content).filter((run) => canaries.has(run));
  return content.includes(TOKEN) ? [...found, TOKEN] : found;
}

function hexScalar(pem: string): string {
  return Buffer.from(bodyOf(pem), 'base64').subarray(SCALAR.from, SCALAR.to).toString('hex');
}

/** As it stands in the base64 of the whole key. */
function base64Scalar(pem: string): string {
  return bodyOf(pem).slice((SCALAR.from / 3) * 4, Math.floor(SCALAR.to / 3) * 4);
}

function windows(content: string): readonly string[] {
  return Array.from({ length: Math.max(0, content.length - WINDOW + 1) }, (_, at) => content.slice(at, at + WINDOW));
}
