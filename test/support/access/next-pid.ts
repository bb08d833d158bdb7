/** Processes with a pid that another one had: the kernel gives the one after that in ns_last_pid, to a thread of any process, too. */
import { spawnSync } from 'node:child_process';
import { accessSync, constants } from 'node:fs';

const LAST_PID = '/proc/sys/kernel/ns_last_pid';

/** Printed in place of what the command would print. */
export const PID_TAKEN = 'somebody else has the pid';

/** Forks until a child has the pid, which then becomes the command: to start a program for each attempt would take too long. */
const FORK_UNTIL = `
import json, os, signal, sys
wanted = int(sys.argv[1])
for attempt in range(200):
    with open('${LAST_PID}', 'w') as last:
        last.write(str(wanted - 1))
    child = os.fork()
    if child == 0:
        if os.getpid() == wanted:
            os.execvp(sys.argv[2], sys.argv[2:])
        os._exit(0)
    if child == wanted:
        signal.signal(signal.SIGTERM, lambda *_: os.kill(child, signal.SIGTERM))
        sys.exit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
    os.waitpid(child, 0)
print(json.dumps({'ended': '${PID_TAKEN}'}), flush=True)
`;

/** Whether this user may, and there is a Python. */
export function mayChoosePids(): boolean {
  try {
    accessSync(LAST_PID, constants.W_OK);
    return spawnSync('python3', ['--version']).status === 0;
  } catch {
    return false;
  }
}

/** What stands in front of a command so that it has this pid. */
export function withPid(pid: number): readonly string[] {
  return ['python3', '-c', FORK_UNTIL, String(pid)];
}
