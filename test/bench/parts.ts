/** What the suite consists of: parts that are measured one after the other, and the rows that each gives. */
import type { Protocol } from './frames.ts';
import { type Figures, measureLatency, measureLoad, measureMemory, measureOpening, measureStart } from './measures.ts';
import type { NodePart } from './node/rows.ts';
import type { Subject } from './subject.ts';
import type { Variant } from './variants.ts';

/** One figure of a part. */
export interface RowOf {
  /** The key of the measured figure. */
  readonly key: string;
  readonly what: string;
  readonly unit: string;
  /** The ratio to the floor that the sidecar is to reach. */
  readonly goal?: number;
  /** The ratio beyond which `--guard` fails: twice of what is reached, so that only another kind of cost is noticed, and no noise. */
  readonly bound?: number;
}

/** What is measured beside the floor; or node mode, beside sidecars. */
export type Part = FloorPart | (NodePart & { readonly name: string });

export interface FloorPart {
  /** As `--only` knows it. */
  readonly name: string;
  readonly variant: Variant;
  /** One identity among 100, with 200 bundles, changes. Otherwise there is one, without federation. */
  readonly manyIdentities?: true;
  readonly rows: readonly RowOf[];
  /** How often it and the floor are measured, in turn. */
  readonly rounds: number;
  measure(subject: Subject, part: AbortController): Promise<Figures>;
}

/** `quick` shows that the suite works; its figures mean nothing. */
export function parts(quick: boolean): readonly Part[] {
  const rounds = (count: number) => (quick ? 1 : count);
  const start = (variant: Variant, goal?: number): FloorPart => ({
    name: `${variant}/start`,
    variant,
    rounds: rounds(9),
    rows: [{ key: 'ms', what: 'spawn to first answer', unit: 'ms', ...goalOf(goal) }],
    measure: measureStart,
  });
  const memory = (variant: Variant, goals: readonly [resident?: number, own?: number] = []): FloorPart => ({
    name: `${variant}/memory`,
    variant,
    rounds: rounds(2),
    rows: [
      { key: 'resident', what: 'resident memory, idle, one subscriber', unit: 'MB', ...goalOf(goals[0]), bound: 2.5 },
      { key: 'private', what: 'private memory, idle, one subscriber', unit: 'MB', ...goalOf(goals[1]), bound: 3.8 },
    ],
    measure: (subject, part) => measureMemory(subject, part, quick ? 100 : 3_000),
  });
  const opening = (variant: Variant, goal?: number): FloorPart => ({
    name: `${variant}/opening`,
    variant,
    rounds: rounds(3),
    rows: [{ key: 'ms', what: '1 000 streams opened at once, 50 KB each, all answered', unit: 'ms', ...goalOf(goal) }],
    measure: (subject, part) => measureOpening(subject, part, quick ? 20 : 1_000),
  });
  const latency = (variant: Variant): FloorPart => ({
    name: `${variant}/latency`,
    variant,
    rounds: rounds(2),
    rows: [
      { key: 'p50', what: 'message to wire, one stream, p50', unit: 'ms', goal: 2.5 },
      { key: 'p99', what: 'message to wire, one stream, p99', unit: 'ms' },
    ],
    measure: (subject, part) => measureLatency(subject, part, quick ? 5 : 200),
  });
  const load = (variant: Variant, protocol: Protocol, streams: number, acknowledge = true): FloorPart => {
    const connections = streams > 1_000 ? 10 : 1;
    const goal = variant === 'default' && streams === 10_000 ? { push: 2, stream: 1.6, memory: 1.5 } : undefined;
    const what = `${streams} ${protocol === 'sotw' ? 'SotW' : 'delta'} streams${acknowledge ? ', ACKed' : ''}`;
    const full = acknowledge ? (PUSHES[streams] ?? 6) : 2;
    const each = quick ? Math.min(streams / connections, 10) : streams / connections;
    const many = streams >= 1_000;
    return {
      name: `${variant}/${protocol}-${streams}${acknowledge ? '-acked' : ''}`,
      variant,
      rounds: rounds(many && !acknowledge ? 2 : 1),
      rows: [
        { key: 'pushUs', what: `CPU a push, ${what}`, unit: 'µs', ...goalOf(goal?.push), bound: 4 },
        { key: 'lastMs', what: `last receipt, ${what}`, unit: 'ms', ...goalOf(goal?.push) },
        // Beside a handful of streams it is what else the server does meanwhile that counts.
        ...(many
          ? [{ key: 'newStreamUs', what: `CPU a new stream, ${what}`, unit: 'µs', ...goalOf(goal?.stream), bound: 3.2 }]
          : []),
        { key: 'resident', what: `resident memory after ${full} rounds, ${what}`, unit: 'MB', ...goalOf(goal?.memory) },
        { key: 'private', what: `private memory after ${full} rounds, ${what}`, unit: 'MB' },
      ],
      measure: (subject, part) =>
        measureLoad(subject, part, { protocol, connections, streams: each, pushes: quick ? 2 : full, acknowledge }),
    };
  };
  const rotation: FloorPart = {
    name: 'default/rotation',
    variant: 'default',
    manyIdentities: true,
    rounds: 1,
    rows: [
      { key: 'ms', what: 'CPU of one rotation among 100 identities with 200 bundles', unit: 'ms', bound: 7 },
      { key: 'resident', what: `resident memory after ${ROTATIONS} rotations among 100 identities with 200 bundles`, unit: 'MB' },
    ],
    async measure(subject, part) {
      const pushes = quick ? 2 : ROTATIONS;
      const { pushUs, resident } = await measureLoad(subject, part, { ...ONE_STREAM, pushes });
      return { ms: pushUs / 1_000, resident };
    },
  };
  const all = (protocol: Protocol) => [1, 100, 1_000, 10_000].map((streams) => load('default', protocol, streams));
  const servers = (['grpc-server', 'grpc-js'] as const).map((variant) => [
    start(variant),
    opening(variant),
    load(variant, 'sotw', 10_000),
  ]);
  return [
    ...[start('default', 2), memory('default', [1.2, 1.5]), latency('default'), opening('default', 1.5)],
    ...[load('default', 'sotw', 10_000, false), ...all('sotw'), load('default', 'delta', 10_000, false), ...all('delta')],
    rotation,
    ...[start('bare'), memory('bare'), load('bare', 'sotw', 1_000), load('bare', 'sotw', 10_000)],
    ...[start('telemetry'), memory('telemetry'), load('telemetry', 'sotw', 1_000), load('telemetry', 'sotw', 10_000)],
    ...servers.flat(),
    { name: 'node', workloads: quick ? 5 : 250, rotations: quick ? 2 : 10 },
  ];
}

/** What `--guard` measures. */
export const GUARDED = ['default/memory', 'default/sotw-10000-acked', 'default/delta-10000-acked', 'default/rotation'];

/** How many rotations of one identity are issued for the part that needs them; each signs a hundred SVIDs, which takes seconds. */
export const ROTATIONS = 30;
const ONE_STREAM = { protocol: 'sotw', connections: 1, streams: 1, acknowledge: true } as const;
/** So many that a figure is steady, by the number of streams. */
const PUSHES: Readonly<Record<number, number>> = { 1: 200, 100: 60, 1000: 20, 10000: 6 };

function goalOf(goal: number | undefined): { readonly goal?: number } {
  return goal === undefined ? {} : { goal };
}
