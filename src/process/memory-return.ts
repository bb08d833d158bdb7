/**
 * Gives back memory that is not needed any more. V8 lets garbage stand until its heap has doubled, and buffers until there are 64 MB of them;
 * libc keeps what was freed. In a pod with a memory limit that is what a hostile client, or a busy hour, leaves behind.
 */
import type { Clock } from '../clock.ts';

export interface ProcessMemory {
  /** Resident, in bytes. */
  resident(): number;
  /** Collects garbage and gives what is free to the kernel. Takes some 10 ms, with many streams more. */
  collect(): void;
}

const LOOK_EVERY_MS = 250;
/** So much more than after the last collection, and there is another. */
const STEP_BYTES = 16 * 1024 * 1024;
/** The share of time that collections may take is one in so many. */
const SHARE = 20;

/** Looks four times a second. @returns ends that */
export function returnMemory(clock: Clock, memory: ProcessMemory): () => void {
  let least = memory.resident();
  let notBefore = 0;
  let forget: () => void = () => undefined;
  const look = () => {
    forget = clock.after(LOOK_EVERY_MS, look);
    const now = clock.monotonic();
    const resident = memory.resident();
    least = Math.min(least, resident);
    if (resident - least < STEP_BYTES || now < notBefore) return;
    memory.collect();
    // What is in use now is no reason for another.
    least = memory.resident();
    const end = clock.monotonic();
    notBefore = end + SHARE * (end - now);
  };
  forget = clock.after(LOOK_EVERY_MS, look);
  return () => forget();
}
