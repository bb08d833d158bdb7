/** What a sidecar does with a process that it has for itself. */
import type { Clock } from '../clock.ts';
import { messageOf } from '../error.ts';
import type { EventListener } from '../events.ts';
import { type Libc, loadLibc } from '../server/libc.ts';
import { type ClosedProcessOptions, closeProcess } from './closed-process.ts';
import { returnMemory } from './memory-return.ts';
import { processMemory } from './process-memory.ts';

export interface OwnProcess {
  /** Keeps others out; what cannot be done is told as an event. */
  close(): Promise<void>;
  /**
   * Gives back memory from now on. Where there is no /proc nobody can say how much it has, and nothing is done.
   * @param onShort called while the limit is near
   * @returns ends that
   */
  keepSmall(onShort: () => void): () => void;
}

export function ownProcess(options: ClosedProcessOptions, clock: Clock, events: EventListener): OwnProcess {
  let libc: Libc | undefined;
  return {
    async close() {
      try {
        libc = await loadLibc();
        const problems = closeProcess(libc, options);
        if (problems.length > 0) events({ type: 'process_open', reason: problems.join('; ') });
      } catch (error) {
        events({ type: 'process_open', reason: messageOf(error) });
      }
    },
    keepSmall(onShort) {
      const memory = processMemory(libc);
      return memory === undefined ? () => undefined : returnMemory(clock, memory, onShort);
    },
  };
}
