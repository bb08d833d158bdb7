/**
 * Gives back memory that is not needed any more. V8 lets garbage stand until its heap has doubled, and buffers until there are 64 MB of them;
 * libc keeps what was freed. In a pod with a memory limit that is what a hostile client, or a busy hour, leaves behind.
 */
import type { Clock } from '../clock.ts';

export interface ProcessMemory {
  /** Resident, in bytes. */
  resident(): number;
  /** What the kernel lets it have, in bytes. */
  readonly limit: number;
  /** Collects garbage and gives what is free to the kernel. Takes some 10 ms, with many streams more. */
  collect(): void;
}

const LOOK_EVERY_MS = 250;
/** What a start leaves behind is garbage by then. Measured: 1.7 MB, for 15 ms of CPU. */
const STARTED_MS = 2_000;
/** While it grows by so much from one look to the next, the next is sooner: a client can send 200 MB a second. */
const GROWS_BYTES = 2 * 1024 * 1024;
const LOOK_SOON_MS = 25;
/** So much more than after the last collection, and there is another. */
const STEP_BYTES = 16 * 1024 * 1024;
/** The share of time that collections may take is one in so many; four times as much where there is twice as much to collect. */
const SHARE = 20;
/** When more is in use than there was at least, it may have become garbage since; each time in vain the wait doubles. */
const AGAIN_MS = 10_000;
const AGAIN_AT_MOST_MS = 600_000;
/** When more than this share of the limit is in use, something must go: the next look is a quarter of a second away. */
const SHORT = 0.75;

/**
 * Looks four times a second, and forty times while memory grows. Collects once when the start is over.
 * @param onShort called after a collection that left too little of the limit
 * @returns ends that
 */
export function returnMemory(clock: Clock, memory: ProcessMemory, onShort: () => void): () => void {
  let least = memory.resident();
  /** After the last collection. */
  let inUse = least;
  let lastSeen = least;
  let lastEnd = 0;
  let lastTook = 0;
  let againMs = AGAIN_MS / 2;
  let againAt = clock.monotonic() + STARTED_MS;
  let forget: () => void = () => undefined;

  const collect = (now: number) => {
    const before = memory.resident();
    memory.collect();
    inUse = memory.resident();
    const end = clock.monotonic();
    lastEnd = end;
    lastTook = end - now;
    if (inUse > SHORT * memory.limit) onShort();
    const inVain = before - inUse < STEP_BYTES / 4;
    againMs = inVain ? Math.min(2 * againMs, AGAIN_AT_MOST_MS) : AGAIN_MS;
    againAt = inUse - least < STEP_BYTES ? Number.POSITIVE_INFINITY : end + againMs;
  };
  const look = () => {
    const now = clock.monotonic();
    const resident = memory.resident();
    forget = clock.after(resident - lastSeen >= GROWS_BYTES ? LOOK_SOON_MS : LOOK_EVERY_MS, look);
    lastSeen = resident;
    least = Math.min(least, resident);
    inUse = Math.min(inUse, resident);
    const isShort = resident > SHORT * memory.limit;
    const steps = (resident - inUse) / STEP_BYTES;
    const wait = (SHARE * lastTook) / Math.max(1, steps) ** 2;
    if (isShort || (now >= lastEnd + wait && (steps >= 1 || now >= againAt))) collect(now);
  };
  forget = clock.after(LOOK_EVERY_MS, look);
  return () => forget();
}
