/** One attack on a sidecar, measured: what a good client notices, what memory it takes and gives back, what it makes the log say. */
import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { percentile } from '../bench/statistics.ts';
import type { Target } from './target.ts';

export interface SiegeOptions {
  readonly attackSeconds: number;
  /** How long memory may take to come back. */
  readonly recoverySeconds: number;
  readonly rotationEveryMs: number;
}

export interface SiegeReport {
  readonly alive: boolean;
  /** Resident memory, MB. */
  readonly before: number;
  readonly peak: number;
  /** At the end of the recovery. */
  readonly after: number;
  /** Seconds until memory was within `BACK_MB` of what it was; undefined: not within the recovery. */
  readonly backAfter: number | undefined;
  /** Of the good client's rotations, milliseconds. */
  readonly p99Before: number;
  readonly p99During: number;
  /** Lines of the log, and of the audit log beyond deliveries, that are not about the rotations. */
  readonly logLines: number;
  readonly auditLines: number;
  /** Lines of the audit log about deliveries and their ACKs. */
  readonly deliveries: number;
}

export const DEFAULT_SIEGE: SiegeOptions = { attackSeconds: 4, recoverySeconds: 60, rotationEveryMs: 60 };
/** What V8 may keep of what was freed. */
export const BACK_MB = 16;

const ATTACKER = join(import.meta.dirname, 'attacker-process.ts');
/** What a rotation says itself, whoever attacks. */
const OF_ROTATIONS = /"event":"svid_rotated"|"event_type":"identity\.rotated"/;
/** One for each delivery of a private key: that is what the audit log is for, and bounded by itself. */
const OF_DELIVERIES = /"event_type":"secret\.(delivered|accepted|removed)"/;

/** @param names attacks that begin at once; none: nothing happens, which is what the others are compared with */
export async function siege(target: Target, names: readonly string[], options = DEFAULT_SIEGE): Promise<SiegeReport> {
  const calm: number[] = [];
  const begin = performance.now();
  while (performance.now() - begin < Math.min(2, options.attackSeconds) * 1_000) await rotation(target, calm, options);
  const before = target.memoryMb();
  const told = [target.log.length, target.audit.length] as const;
  target.takePeakMb();

  const attacker = await attackers(target.socket, options.attackSeconds, names);
  const ended = attacker === undefined ? pause(options.attackSeconds * 1_000) : once(attacker, 'exit');
  let over = false;
  void ended.then(() => {
    over = true;
  });
  const during: number[] = [];
  try {
    while (!over && target.alive) await rotation(target, during, options);
  } finally {
    attacker?.kill('SIGKILL');
  }
  await ended;
  const peak = target.takePeakMb();

  const end = performance.now();
  let backAfter: number | undefined;
  while (target.alive && performance.now() - end < options.recoverySeconds * 1_000) {
    if (target.memoryMb() - before <= BACK_MB) {
      backAfter = (performance.now() - end) / 1_000;
      break;
    }
    await rotation(target, [], { ...options, rotationEveryMs: 1_000 });
  }
  return {
    alive: target.alive,
    before,
    peak,
    after: target.memoryMb(),
    backAfter,
    p99Before: percentile(calm, 99),
    p99During: percentile(during, 99),
    logLines: lines(target.log.slice(told[0])).length,
    ...auditLines(target.audit.slice(told[1])),
  };
}

async function rotation(target: Target, into: number[], { rotationEveryMs }: SiegeOptions): Promise<void> {
  const next = pause(rotationEveryMs);
  into.push(await target.rotate());
  await next;
}

function lines(text: string): readonly string[] {
  return text.split('\n').filter((line) => line !== '' && !OF_ROTATIONS.test(line));
}

function auditLines(text: string): { readonly auditLines: number; readonly deliveries: number } {
  const all = lines(text);
  const deliveries = all.filter((line) => OF_DELIVERIES.test(line)).length;
  return { auditLines: all.length - deliveries, deliveries };
}

async function attackers(socket: string, seconds: number, names: readonly string[]): Promise<ChildProcess | undefined> {
  if (names.length === 0) return undefined;
  const child = fork(ATTACKER, [socket, String(seconds), ...names], {
    stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
    execArgv: [],
  });
  await once(child, 'message');
  child.send('begin');
  return child;
}
