/**
 * Keeps others out of this process, which holds private keys: no process of the same user may read its memory or trace it, and a crash leaves
 * no core file. What SPIRE's agent reads of a workload (/proc/PID/status, stat, cgroup, mountinfo) stays readable.
 */
import type { Libc } from '../server/libc.ts';

/** linux/prctl.h, asm-generic/resource.h: the same on every architecture that Node runs on. */
const PR_SET_DUMPABLE = 4;
const RLIMIT_CORE = 4;

export interface ClosedProcessOptions {
  /** Others of the same user may look into it, as a debugger does. */
  readonly dumpable: boolean;
}

/** @returns what could not be done, as sentences; empty: all was done */
export function closeProcess(
  libc: Pick<Libc, 'prctl' | 'setrlimit' | 'errno'>,
  { dumpable }: ClosedProcessOptions,
): readonly string[] {
  const problems: string[] = [];
  const failed = (what: string) => problems.push(`${what} failed with errno ${libc.errno()}`);
  if (libc.setrlimit(RLIMIT_CORE, new BigUint64Array([0n, 0n])) !== 0) failed('setrlimit(RLIMIT_CORE, 0)');
  if (!dumpable && libc.prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) !== 0) failed('prctl(PR_SET_DUMPABLE, 0)');
  return problems;
}
