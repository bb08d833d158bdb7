/** The measurements. Each is done once to the sidecar and to the floor alike, by a raw client in this process. */
import { setTimeout as delay } from 'node:timers/promises';
import { acknowledgement, type Protocol, subscription } from './frames.ts';
import { Receipts } from './receipts.ts';
import { METHODS, SdsConnection } from './sds-connection.ts';
import { median, percentile } from './statistics.ts';
import type { Sizes, Subject } from './subject.ts';

/** Envoy 1.40 registers some 500 extensions, and says so in the first request of each stream. */
const ENVOY_EXTENSIONS = 430;
const NAME = 'default';
const SMALL_REQUEST = subscription(NAME, 0);
const ENVOY_REQUEST = subscription(NAME, ENVOY_EXTENSIONS);
/** What a start leaves to do later, and what opening streams left behind, is over by then. */
const SETTLED_MS = 1_500;

/** Figures by name. */
export type Figures<Key extends string = string> = Readonly<Record<Key, number>>;

/** Bytes of the first answer, and of what comes after a message upstream. */
export async function measureSizes(subject: Subject, part: AbortController): Promise<Sizes> {
  await using running = subject.start(part);
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

/** Milliseconds from spawn to the first answer. */
export async function measureStart(subject: Subject, part: AbortController): Promise<Figures<'ms'>> {
  const begun = performance.now();
  await using running = subject.start(part);
  using connection = await SdsConnection.open(running.socket);
  await connection.answer(ENVOY_REQUEST);
  return { ms: performance.now() - begun };
}

/** Megabytes `idleMs` after the only subscriber got its answer. */
export async function measureMemory(
  subject: Subject,
  part: AbortController,
  idleMs: number,
): Promise<Figures<'resident' | 'private'>> {
  await using running = subject.start(part);
  using connection = await SdsConnection.open(running.socket);
  await connection.answer(ENVOY_REQUEST);
  await delay(idleMs);
  const { resident, private: own } = running.process.memoryMb();
  return { resident, private: own };
}

/** Milliseconds from a message upstream to the bytes at one subscriber, that acknowledges each. */
export async function measureLatency(subject: Subject, part: AbortController, messages: number): Promise<Figures<'p50' | 'p99'>> {
  await using running = subject.start(part);
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
export async function measureOpening(subject: Subject, part: AbortController, streams: number): Promise<Figures<'ms'>> {
  await using running = subject.start(part);
  using warm = await SdsConnection.open(running.socket);
  await warm.answer(ENVOY_REQUEST);
  using connection = await SdsConnection.open(running.socket);
  await connection.settled();
  const receipts = new Receipts(streams);
  const begun = performance.now();
  for (let i = 0; i < streams; i++) connection.stream(ENVOY_REQUEST, () => receipts.count());
  await receipts.all();
  return { ms: performance.now() - begun };
}

/** How many streams there are, and what happens to them. */
export interface Load {
  readonly protocol: Protocol;
  readonly connections: number;
  /** On each connection. */
  readonly streams: number;
  /** How often each stream gets something new. */
  readonly pushes: number;
  /** Whether the client ACKs. The sidecar withholds what is new from streams that leave too much without an answer. */
  readonly acknowledge: boolean;
}

/** Of the server: CPU in microseconds for each stream and each push, milliseconds to the last receipt, megabytes at the end. */
export type LoadFigures = Figures<'newStreamUs' | 'pushUs' | 'lastMs' | 'resident' | 'private'>;

/** Opens all streams at once, then sends all of them something new, `pushes` times. */
export async function measureLoad(subject: Subject, part: AbortController, load: Load): Promise<LoadFigures> {
  const { protocol, connections, streams, pushes, acknowledge } = load;
  const request = subscription(NAME, 0, protocol);
  await using running = subject.start(part);
  using stack = new DisposableStack();
  const opened: SdsConnection[] = [];
  for (let i = 0; i < connections; i++) {
    const connection = stack.use(await SdsConnection.open(running.socket));
    await connection.settled();
    opened.push(connection);
  }
  using warm = await SdsConnection.open(running.socket);
  await warm.answer(SMALL_REQUEST);
  await delay(SETTLED_MS);

  const all = connections * streams;
  const receipts = new Receipts(all);
  const beforeStreams = running.process.cpuUs();
  for (const connection of opened) {
    for (let i = 0; i < streams; i++) {
      connection.stream(
        request,
        (message, stream) => {
          if (acknowledge) stream.write(acknowledgement(NAME, message, protocol));
          receipts.count();
        },
        METHODS[protocol],
      );
    }
  }
  await receipts.all();
  await delay(SETTLED_MS);
  const publish = await running.publisher();
  const beforePushes = running.process.cpuUs();
  const times: number[] = [];
  for (let i = 0; i < pushes; i++) {
    receipts.reset();
    const begun = performance.now();
    publish();
    await receipts.all();
    times.push(performance.now() - begun);
  }
  await delay(SETTLED_MS / 3);
  const { resident, private: own } = running.process.memoryMb();
  return {
    newStreamUs: (beforePushes - beforeStreams) / all,
    pushUs: (running.process.cpuUs() - beforePushes) / (pushes * all),
    lastMs: median(times),
    resident,
    private: own,
  };
}
