/** The memory of this process. */
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import type { Libc } from '../server/libc.ts';
import type { ProcessMemory } from './memory-return.ts';

/**
 * @param libc absent: what V8 frees stays with libc
 * @returns undefined where the system does not say how much memory is resident
 */
export function processMemory(libc: Pick<Libc, 'malloc_trim'> | undefined): ProcessMemory | undefined {
  try {
    process.memoryUsage.rss();
  } catch {
    return undefined;
  }
  // A new context has gc() once V8 is told so; this one has not.
  setFlagsFromString('--expose-gc');
  const gc = runInNewContext('gc') as () => void;
  setFlagsFromString('--no-expose-gc');
  // 0, or more than there is: no limit.
  const limit = process.constrainedMemory();
  return {
    limit: limit > 0 ? limit : Number.POSITIVE_INFINITY,
    resident: () => process.memoryUsage.rss(),
    collect: () => {
      gc();
      libc?.malloc_trim(0);
    },
  };
}
