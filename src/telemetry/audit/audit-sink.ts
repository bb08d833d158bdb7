/** Writes audit records to standard output, a file, or OTLP. It never delays a push; lines that the target does not take are counted. */
import { constants, open } from 'node:fs';
import { promisify } from 'node:util';
import type { Clock } from '../../clock.ts';
import type { AuditTarget } from '../../config/schema/telemetry-schema.ts';
import { fixFor, processUser } from '../../errno.ts';
import { messageOf } from '../../error.ts';
import type { Event, EventListener } from '../../events.ts';
import { Output, standardOutput } from '../output.ts';
import { auditRecords } from './audit.ts';
import type { AuditRecord } from './audit-events.ts';
import { auditLine, auditLines } from './audit-line.ts';
import { LineBatch } from './line-batch.ts';
import { PeerFlood } from './peer-flood.ts';

export interface AuditOptions {
  /** Takes the records when the target is `otlp`. Absent: there is no endpoint. */
  readonly otlp?: (record: AuditRecord) => void;
  /** Gets `audit_failed` and `audit_dropped`, each at most once a minute, `audit_recovered` after them, and `audit_omitted`. */
  readonly events: EventListener;
  readonly clock: Clock;
}

export interface Audit {
  /** @param at milliseconds since the epoch */
  hear(event: Event, at: number): void;
  /** Opens the file by its path again, after it was moved away or became writable. */
  reopen(): void;
  /** Writes what waits, for at most a second. Never rejects. */
  close(): Promise<void>;
}

const { O_APPEND, O_CREAT, O_NOCTTY, O_NONBLOCK, O_WRONLY } = constants;
/** O_NONBLOCK: opening a pipe without a reader fails instead of waiting. */
const OPEN_FLAGS = O_WRONLY | O_APPEND | O_CREAT | O_NOCTTY | O_NONBLOCK;
const FILE_MODE = 0o640;
const openFile = promisify(open);

const CLOSE_MS = 1_000;
const REPORT_EVERY_MS = 60_000;
/** A rotation on ten thousand streams: two lines each of some 370 bytes. */
const MAX_BYTES = 8 * 1024 * 1024;
/** Lines are written together this long after the first: a rotation causes thousands. */
export const BATCH_MS = 50;

/** By the error of the system call: what to do about it. */
const FIXES: Readonly<Record<string, string>> = {
  EACCES: 'let this user write there (in a container: a volume that it may write)',
  EROFS: 'the file system is read-only: mount a writable volume there',
  ENOENT: 'make its folder',
  ENOTDIR: 'a part of that path is not a folder',
  EISDIR: 'that is a folder: name a file in it',
  ENXIO: 'that is a pipe and nobody reads it: start its reader first',
  ENOSPC: 'the disk is full: make room',
};

/** A file that cannot be opened is reported as `audit_failed`; the next `reopen` tries again. */
export async function openAudit(target: Exclude<AuditTarget, 'off'>, { otlp, events, clock }: AuditOptions): Promise<Audit> {
  const flood = new PeerFlood({ clock, onOmitted: (peer, lines) => events({ type: 'audit_omitted', peer, lines }) });
  if (target === 'otlp') {
    const reason =
      'log.audit is otlp, but logs have no OTLP endpoint: set OTEL_EXPORTER_OTLP_ENDPOINT or telemetry.otlp.endpoint, or let audit lines go elsewhere (log.audit)';
    if (otlp === undefined) events({ type: 'audit_failed', reason });
    return new RecordAudit(otlp ?? (() => undefined), flood);
  }
  const audit = new LineAudit(target, events, clock, flood);
  await audit.open();
  return audit;
}

class RecordAudit implements Audit {
  readonly #take: (record: AuditRecord) => void;

  readonly #flood: PeerFlood;

  constructor(take: (record: AuditRecord) => void, flood: PeerFlood) {
    this.#take = take;
    this.#flood = flood;
  }

  hear(event: Event, at: number): void {
    if (!this.#flood.admits(event)) return;
    for (const record of auditRecords(event, at)) this.#take(record);
  }

  reopen(): void {}

  async close(): Promise<void> {
    this.#flood.flush();
  }
}

class LineAudit implements Audit {
  readonly #target: 'stdout' | { readonly path: string };
  readonly #events: EventListener;
  readonly #clock: Clock;
  readonly #flood: PeerFlood;
  #output: Output | undefined;
  #opening: Promise<void> = Promise.resolve();
  readonly #batch = new LineBatch({
    onFirst: () => this.#clock.after(BATCH_MS, () => this.#handOver()),
    onFull: () => this.#handOver(),
  });
  /** Lines lost since one was written. */
  #gap = 0;
  /** Lines lost since the last report. */
  #lost = 0;
  #cancelReport: (() => void) | undefined;
  #failureReportedAt = Number.NEGATIVE_INFINITY;
  /** What somebody believes that does not work. */
  readonly #troubled = new Set<'open' | 'write'>();
  #closed = false;
  readonly #atExit = () => this.#handOver();

  constructor(target: 'stdout' | { readonly path: string }, events: EventListener, clock: Clock, flood: PeerFlood) {
    this.#target = target;
    this.#flood = flood;
    this.#events = events;
    this.#clock = clock;
    // Before that of the output, which is made later.
    process.on('exit', this.#atExit);
  }

  hear(event: Event, at: number): void {
    // A gap is reported where it is.
    if (this.#closed || event.type === 'audit_dropped' || !this.#flood.admits(event)) return;
    auditLines(event, at, this.#batch);
  }

  async open(): Promise<void> {
    try {
      const output = await this.#opened();
      if (this.#closed) output?.close();
      else this.#output ??= output;
      if (this.#gap > 0) this.#write(Buffer.alloc(0));
      this.#works('open');
    } catch (error) {
      // An operator asked for it, so a failure is reported each time.
      this.#failureReportedAt = Number.NEGATIVE_INFINITY;
      this.#failed(error, 'open');
    }
  }

  /** One after the other. */
  reopen(): void {
    if (this.#target !== 'stdout' && !this.#closed) this.#opening = this.#opening.then(() => this.open());
  }

  async close(): Promise<void> {
    if (this.#closed) return;
    this.#flood.flush();
    this.#handOver();
    this.#closed = true;
    const written = (await this.#output?.drained(CLOSE_MS)) ?? true;
    process.off('exit', this.#atExit);
    this.#cancelReport?.();
    if (this.#lost > 0) this.#events({ type: 'audit_dropped', lines: this.#lost });
    if (!written) this.#failed(new Error('nobody took the last lines in time'));
    this.#output?.close();
  }

  /** Undefined: the present output goes on, with the new file. */
  async #opened(): Promise<Output | undefined> {
    const options = {
      maxBytes: MAX_BYTES,
      onError: (error: Error) => this.#failed(error),
      onDrained: () => this.#works('write'),
    };
    if (this.#target === 'stdout') return standardOutput(1, options);
    const fd = await openFile(this.#target.path, OPEN_FLAGS, FILE_MODE);
    if (this.#output === undefined || this.#closed) return new Output(fd, { how: 'in background', ...options });
    this.#output.redirect(fd);
    return undefined;
  }

  #handOver(): void {
    const { lines } = this.#batch;
    if (lines === 0) return;
    if (!this.#write(this.#batch.take())) this.#lose(lines);
  }

  /** After what is missing before it. @returns false when it is not taken */
  #write(text: Buffer): boolean {
    const gap = this.#gap;
    const all = gap === 0 ? text : Buffer.concat([Buffer.from(this.#gapLine()), text]);
    this.#gap = 0;
    const taken = this.#output?.write(all) === true;
    if (!taken) this.#gap = gap;
    return taken;
  }

  #gapLine(): string {
    return auditRecords({ type: 'audit_dropped', lines: this.#gap }, this.#clock.now()).map(auditLine).join('');
  }

  #lose(lines: number): void {
    this.#gap += lines;
    this.#lost += lines;
    if (this.#cancelReport !== undefined) return;
    this.#reportLost();
  }

  #reportLost(): void {
    this.#cancelReport = undefined;
    if (this.#lost === 0) return;
    this.#troubled.add('write');
    this.#tellLost();
    this.#cancelReport = this.#clock.after(REPORT_EVERY_MS, () => this.#reportLost());
  }

  #tellLost(): void {
    const lines = this.#lost;
    this.#lost = 0;
    if (lines > 0) this.#events({ type: 'audit_dropped', lines });
  }

  #works(what: 'open' | 'write'): void {
    // Lines are missing that nobody has written down yet.
    if (this.#gap > 0 || !this.#troubled.delete(what) || this.#troubled.size > 0) return;
    this.#tellLost();
    this.#events({ type: 'audit_recovered' });
  }

  #failed(error: unknown, what: 'open' | 'write' = 'write'): void {
    const now = this.#clock.monotonic();
    if (now - this.#failureReportedAt < REPORT_EVERY_MS) return;
    this.#failureReportedAt = now;
    this.#troubled.add(what);
    const where = this.#target === 'stdout' ? 'stdout' : this.#target.path;
    const reason = `cannot write audit lines to ${where} as ${processUser()}: ${messageOf(error)}${fixFor(error, FIXES)} (log.audit)`;
    this.#events({ type: 'audit_failed', reason });
  }
}
