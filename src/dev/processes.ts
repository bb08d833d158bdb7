/** Whose a process is. */
import { readFileSync, statSync } from 'node:fs';
import type { DevProcess } from './workload-state.ts';

/** Finds the user of a process; undefined: there is no such process. */
export type ProcessFinder = (pid: number) => DevProcess | undefined;

/** The effective uid, as /proc/PID has it. */
export const findProcess: ProcessFinder = (pid) => {
  const uid = /^Uid:\s+\d+\s+(\d+)/m.exec(readStatus(pid) ?? '')?.[1];
  return uid === undefined ? undefined : { pid, uid: Number(uid) };
};

function readStatus(pid: number): string | undefined {
  if (statSync(`/proc/${pid}`, { throwIfNoEntry: false }) === undefined) return undefined;
  try {
    return readFileSync(`/proc/${pid}/status`, 'utf8');
  } catch {
    return undefined;
  }
}
