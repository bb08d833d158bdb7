/** Which pid the kernel gives next: root may choose it, unless its container keeps it from that. */
import { closeSync, constants, openSync, writeFileSync } from 'node:fs';

const LAST_PID = '/proc/sys/kernel/ns_last_pid';

export function mayChoosePids(): boolean {
  try {
    closeSync(openSync(LAST_PID, constants.O_WRONLY));
    return true;
  } catch {
    return false;
  }
}

/** The next process gets this pid, unless another one comes first. */
export function chooseNextPid(pid: number): void {
  writeFileSync(LAST_PID, String(pid - 1));
}
