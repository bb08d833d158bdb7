/** A bound on the memory of a process that the kernel keeps: a cgroup of its own, version 2 or 1. */
import { existsSync, mkdirSync, readFileSync, rmdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import process from 'node:process';

export interface MemoryLimit extends Disposable {
  /** What keeps it, for the report. */
  readonly kept: string;
  hold(pid: number): void;
  /** How often the kernel has killed for it. */
  readonly kills: number;
}

const ROOT = '/sys/fs/cgroup';

/** Undefined where this user may not make cgroups. */
export function memoryLimit(bytes: number): MemoryLimit | undefined {
  const name = `spiffe-sds-hostile-${process.pid}`;
  const v2 = existsSync(join(ROOT, 'cgroup.controllers'));
  const folder = v2 ? join(ROOT, name) : join(ROOT, 'memory', name);
  try {
    if (v2) writeFileSync(join(ROOT, 'cgroup.subtree_control'), '+memory');
    mkdirSync(folder);
    writeFileSync(join(folder, v2 ? 'memory.max' : 'memory.limit_in_bytes'), String(bytes));
  } catch {
    return undefined;
  }
  return {
    kept: `a memory cgroup (version ${v2 ? 2 : 1})`,
    hold: (pid) => writeFileSync(join(folder, 'cgroup.procs'), String(pid)),
    get kills() {
      const told = readFileSync(join(folder, v2 ? 'memory.events' : 'memory.oom_control'), 'utf8');
      return Number(/oom_kill (\d+)/.exec(told)?.[1] ?? 0);
    },
    [Symbol.dispose]: () => {
      try {
        rmdirSync(folder);
      } catch {
        // Something in it still ends; an empty cgroup costs nothing.
      }
    },
  };
}
