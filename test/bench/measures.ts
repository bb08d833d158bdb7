/** The measurements. Each is done to the sidecar and to the floor alike, by a raw client in this process. */
import { setTimeout as delay } from 'node:timers/promises';
import { acknowledgement, subscription } from './frames.ts';
import { SdsConnection } from './sds-connection.ts';
import { median, percentile } from './statistics.ts';
import type { Running, Subject } from './subject.ts';

/** Envoy 1.40 registers some 500 extensions, and says so in the first request of each stream. */
const ENVOY_EXTENSIONS = 430;
const NAME = 'default';
const SMALL_REQUEST = subscription(NAME, 0);
const ENVOY_REQUEST = subscription(NAME, ENVOY_EXTENSIONS);

/** Bytes of the first answer, and of what comes after a message upstream. */
export async function measureSizes(subject: Subject): Promise<{ readonly answer: number; readonly push: number }> {
  await using running = subject.start();
  using connection = await SdsConnection.open(running.socket);
  const sizes: number[] = [];
  const receipts = new Receipts(1);
  connection.stream(SMALL_REQUEST, ({ length }) => {
    sizes.push(length);
    receipts.count();
  });
  await receipts.all();
  receipts.reset();
  (await running.publisher())();
  await receipts.all();
  const [answer = 0, push = 0] = sizes;
  return { answer, push };
}

/** Milliseconds from spawn to the first answer, the median of `runs`. */
export async function measureReady(subject: Subject, runs: number): Promise<number> {
  const times: number[] = [];
  for (let run = 0; run < runs; run++) {
    const begun = performance.now();
    await using running = subject.start();
    using connection = await SdsConnection.open(running.socket);
    await connection.answer(ENVOY_REQUEST);
    times.push(performance.now() - begun);
  }
  return median(times);
}

/** Resident megabytes `idleMs` after the only subscriber got its answer. */
export async function measureMemory(subject: Subject, runs: number, idleMs: number): Promise<number> {
  const sizes: number[] = [];
  for (let run = 0; run < runs; run++) {
    await using running = subject.start();
    using connection = await SdsConnection.open(running.socket);
    await connection.answer(ENVOY_REQUEST);
    await delay(idleMs);
    sizes.push(running.process.memoryMb().now);
  }
  return median(sizes);
}

/** Milliseconds from a message upstream to the bytes at one subscriber, that acknowledges each. */
export async function measureLatency(
  subject: Subject,
  messages: number,
): Promise<{ readonly p50: number; readonly p99: number }> {
  await using running = subject.start();
  using connection = await SdsConnection.open(running.socket);
  const receipts = new Receipts(1);
  connection.stream(SMALL_REQUEST, (message, stream) => {
    stream.write(acknowledgement(NAME, message));
    receipts.count();
  });
  await receipts.all();
  const publish = await running.publisher();
  const times: number[] = [];
  for (let i = 0; i < messages; i++) {
    receipts.reset();
    const begun = performance.now();
    publish();
    await receipts.all();
    times.push(performance.now() - begun);
    // The ACK arrives and the garbage goes, as between any two rotations.
    await delay(5);
  }
  return { p50: median(times), p99: percentile(times, 99) };
}

/** Milliseconds until each of `streams`, opened at once on one connection with Envoy's first request, has its answer. */
export async function measureOpening(subject: Subject, streams: number, runs: number): Promise<number> {
  const times: number[] = [];
  for (let run = 0; run < runs; run++) {
    await using running = subject.start();
    using warm = await SdsConnection.open(running.socket);
    await warm.answer(ENVOY_REQUEST);
    using connection = await SdsConnection.open(running.socket);
    await connection.settled();
    const receipts = new Receipts(streams);
    const begun = performance.now();
    for (let i = 0; i < streams; i++) connection.stream(ENVOY_REQUEST, () => receipts.count());
    await receipts.all();
    times.push(performance.now() - begun);
  }
  return median(times);
}

/** CPU of the server for each stream with a small request, all opened at once, and its memory with all of them. */
export async function measureStreams(
  subject: Subject,
  { connections, streams }: Pick<FanOutOptions, 'connections' | 'streams'>,
): Promise<{ readonly cpuUs: number; readonly mb: number }> {
  await using running = subject.start();
  using stack = new DisposableStack();
  const opened: SdsConnection[] = [];
  for (let i = 0; i < connections; i++) {
    const connection = stack.use(await SdsConnection.open(running.socket));
    await connection.settled();
    opened.push(connection);
  }
  const warm = new Receipts(1);
  opened[0]?.stream(SMALL_REQUEST, () => warm.count());
  await warm.all();
  // What a start leaves to do later is not theirs.
  await delay(1_500);
  const receipts = new Receipts(connections * streams);
  const cpuBefore = running.process.cpuUs();
  for (const connection of opened) {
    for (let i = 0; i < streams; i++) connection.stream(SMALL_REQUEST, () => receipts.count());
  }
  await receipts.all();
  await delay(500);
  return { cpuUs: (running.process.cpuUs() - cpuBefore) / (connections * streams), mb: running.process.memoryMb().now };
}

export interface FanOut {
  /** Of the server, microseconds for each message that a subscriber got. */
  readonly cpuUs: number;
  /** From the message upstream to the last subscriber's receipt, median. */
  readonly lastMs: number;
  readonly peakMb: number;
}

/** `pushes` times something new for `connections` times `streams` subscribers. */
export async function measureFanOut(
  subject: Subject,
  { connections, streams, pushes, acknowledge }: FanOutOptions,
): Promise<FanOut> {
  await using running = subject.start();
  using stack = new DisposableStack();
  const receipts = new Receipts(connections * streams);
  for (let i = 0; i < connections; i++) {
    const connection = stack.use(await SdsConnection.open(running.socket));
    await connection.settled();
    for (let j = 0; j < streams; j++) {
      connection.stream(SMALL_REQUEST, (message, stream) => {
        if (acknowledge) stream.write(acknowledgement(NAME, message));
        receipts.count();
      });
    }
  }
  await receipts.all();
  return await pushed(running, receipts, connections * streams, pushes);
}

export interface FanOutOptions {
  readonly connections: number;
  readonly streams: number;
  readonly pushes: number;
  readonly acknowledge: boolean;
}

async function pushed(running: Running, receipts: Receipts, subscribers: number, pushes: number): Promise<FanOut> {
  const publish = await running.publisher();
  const times: number[] = [];
  // What opening the streams left behind is not the pushes' work.
  await delay(1_000);
  const cpuBefore = running.process.cpuUs();
  for (let i = 0; i < pushes; i++) {
    receipts.reset();
    const begun = performance.now();
    publish();
    await receipts.all();
    times.push(performance.now() - begun);
  }
  await delay(500);
  const cpuUs = (running.process.cpuUs() - cpuBefore) / (pushes * subscribers);
  return { cpuUs, lastMs: median(times), peakMb: running.process.memoryMb().peak };
}

/** Counts messages until there is one for each subscriber. */
class Receipts {
  readonly #expected: number;
  #left: number;
  #complete = Promise.withResolvers<void>();

  constructor(expected: number) {
    this.#expected = expected;
    this.#left = expected;
  }

  count(): void {
    if (--this.#left === 0) this.#complete.resolve();
  }

  all(): Promise<void> {
    return this.#complete.promise;
  }

  reset(): void {
    this.#left = this.#expected;
    this.#complete = Promise.withResolvers();
  }
}
