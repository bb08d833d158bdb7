/** The open streams as /v1/status shows them. Peers choose their names and how many streams they open: what is shown of them is bounded. */
import { isoTime } from '../clock.ts';
import type { SecretKind } from '../events.ts';
import type { StreamStatus } from '../sds/stream/stream-status.ts';

const MAX_SUBSCRIBERS = 1000;
/** Of all subscribers together. */
const MAX_NAMES = 10_000;
const MAX_HELD = 1000;
const MAX_NAME_LENGTH = 512;
/** Of the response that a stream rejected last. */
const MAX_REJECTED_NAMES = 10;
/** With 10 000 streams, pushes would wait for whoever looks at all of them at once: some 20 µs each. */
const SLICE = 50;

/** Times are RFC 3339. */
export interface SubscriberStatus {
  readonly stream: number;
  readonly method: string;
  /** The Envoy's node.id. */
  readonly node: string;
  readonly peer: { readonly connection: number; readonly uid?: number; readonly gid?: number; readonly pid?: number };
  /** The rule of `sds.allow` that says what it may have; `none`: no rule is for it any more. Absent where there are no rules. */
  readonly rule?: string;
  readonly opened_at: string;
  readonly names: readonly SubscribedName[];
  /** How many more names it asks for than are shown. */
  readonly names_left_out?: number;
  readonly unanswered: number;
  readonly last_ack?: string;
  readonly last_nack?: { readonly at: string; readonly names: readonly string[]; readonly reason: string };
}

/** Versions: the last that was sent, the one that Envoy is content with, and the one that it rejected. */
export interface SubscribedName {
  readonly name: string;
  readonly kind?: SecretKind;
  readonly sent?: string;
  readonly in_use?: string;
  readonly rejected?: string;
  readonly held?: true;
}

export interface HeldName {
  readonly name: string;
  readonly streams: number;
  /** A name that there is, and that may be meant. */
  readonly nearest?: string;
}

/** What is asked for; absent: all. */
export interface SubscriberFilter {
  /** Of Envoys with this node.id. */
  readonly node?: string | undefined;
  /** That ask for a secret of this name. */
  readonly name?: string | undefined;
}

export interface Subscribers {
  /** At most 1000. */
  readonly subscribers: readonly SubscriberStatus[];
  /** How many there are that were asked for. */
  readonly total: number;
  /** Of all streams, those that most wait for first; at most 1000. */
  readonly held: readonly HeldName[];
}

/** @param pause lets others run */
export async function gatherSubscribers(
  streams: Iterable<StreamStatus>,
  filter: SubscriberFilter,
  pause: () => Promise<void>,
): Promise<Subscribers> {
  const subscribers: SubscriberStatus[] = [];
  const held = new Map<string, number>();
  let [seen, total, namesLeft] = [0, 0, MAX_NAMES];
  for (const stream of streams) {
    seen += 1;
    if (seen % SLICE === 0) await pause();
    countHeld(held, stream);
    if (!isWanted(stream, filter)) continue;
    total += 1;
    if (subscribers.length >= MAX_SUBSCRIBERS) continue;
    const subscriber = subscriberStatus(stream, namesLeft);
    namesLeft -= subscriber.names.length;
    subscribers.push(subscriber);
  }
  const mostWaited = [...held].sort(([, a], [, b]) => b - a).map(([name, count]) => ({ name: short(name), streams: count }));
  return { subscribers, total, held: mostWaited };
}

function isWanted({ node, names }: StreamStatus, filter: SubscriberFilter): boolean {
  return (
    (filter.node === undefined || node === filter.node) &&
    (filter.name === undefined || names.some(({ name }) => name === filter.name))
  );
}

function countHeld(held: Map<string, number>, { names }: StreamStatus): void {
  for (const { name, held: isHeld } of names) {
    if (isHeld && (held.has(name) || held.size < MAX_HELD)) held.set(name, (held.get(name) ?? 0) + 1);
  }
}

function subscriberStatus(status: StreamStatus, maxNames: number): SubscriberStatus {
  const { stream, method, node, peer, rule, openedAt, names, unanswered, lastAck, lastNack } = status;
  const leftOut = names.length - maxNames;
  return {
    stream,
    method,
    node,
    peer: { connection: peer.connection, ...peer.credentials },
    ...(rule !== undefined && { rule }),
    opened_at: isoTime(openedAt),
    names: names.slice(0, maxNames).map(({ name, kind, sent, inUse, rejected, held }) => ({
      name: short(name),
      ...(kind && { kind }),
      ...(sent !== undefined && { sent }),
      ...(inUse !== undefined && { in_use: inUse }),
      ...(rejected !== undefined && { rejected }),
      ...(held && { held }),
    })),
    ...(leftOut > 0 && { names_left_out: leftOut }),
    unanswered,
    ...(lastAck !== undefined && { last_ack: isoTime(lastAck) }),
    ...(lastNack && {
      last_nack: {
        at: isoTime(lastNack.at),
        names: lastNack.names.slice(0, MAX_REJECTED_NAMES).map(short),
        reason: lastNack.reason,
      },
    }),
  };
}

function short(name: string): string {
  return name.length <= MAX_NAME_LENGTH ? name : `${name.slice(0, MAX_NAME_LENGTH).toWellFormed()}…`;
}
