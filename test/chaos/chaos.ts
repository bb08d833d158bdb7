/** The bad hours, one after the other, and what became of them. */
import { KeyHunt } from './key-hunt.ts';
import { type MeshReport, meshHours } from './mesh-hours.ts';
import { SILENT, type SilentReport, silentHours, WARM_UP } from './silent-hours.ts';
import { type UpstreamReport, upstreamHours } from './upstream-hours.ts';

/** In this order. */
export const PARTS = ['raw', 'silent', 'envoys'] as const;
export type Part = (typeof PARTS)[number];

export interface ChaosOptions {
  /** Default: all. */
  readonly parts?: readonly Part[];
  readonly seed: number;
  /** How long all of it may take. */
  readonly minutes: number;
  readonly failures: number;
  readonly silentRotations: number;
  readonly killEveryMs: number;
  readonly failEveryMs: number;
  readonly load: number;
}

export const LONG: Omit<ChaosOptions, 'seed'> = {
  minutes: 12,
  failures: 1_000,
  silentRotations: 10_000,
  killEveryMs: 10_000,
  failEveryMs: 3_000,
  load: 10,
};

export const SHORT: Omit<ChaosOptions, 'seed'> = {
  minutes: 0.4,
  failures: 26,
  silentRotations: 100,
  killEveryMs: 3_000,
  failEveryMs: 1_000,
  load: 2,
};

export interface ChaosReport {
  readonly rows: readonly (readonly [what: string, value: string])[];
  /** What was lost, in sentences; empty when all is well. */
  readonly lost: readonly string[];
}

/** At the latest after this part of the time. */
const UPSTREAM_UNTIL = 0.25;
const SILENT_UNTIL = 0.55;
const GROWTH = 1.1;

export async function chaos(options: ChaosOptions, tell: (text: string) => void = () => undefined): Promise<ChaosReport> {
  const { seed, minutes, failures, silentRotations: rotations, parts = PARTS } = options;
  const began = performance.now();
  // A part that runs alone has all the time.
  const at = (part: number) => began + (parts.length === 1 ? 1 : part) * minutes * 60_000;
  const reports: ChaosReport[] = [];
  for (const part of parts) {
    const report =
      part === 'raw'
        ? ofUpstream(await upstreamHours({ seed, failures, deadline: at(UPSTREAM_UNTIL) }))
        : part === 'silent'
          ? ofSilent(await silentHours({ rotations, deadline: at(SILENT_UNTIL) }))
          : ofMesh(await meshHours({ ...options, deadline: at(1) }));
    tell(`${part}: lost ${report.lost.length}`);
    reports.push(report);
  }
  return { rows: reports.flatMap(({ rows }) => rows), lost: reports.flatMap(({ lost }) => lost) };
}

function ofUpstream({ failed, rotations, lost, slowestMs }: UpstreamReport): ChaosReport {
  return {
    lost,
    rows: [
      ['raw streams: upstream failures of thirteen kinds', `${sum(failed)}`],
      ['raw streams: rotations meanwhile', `${rotations}`],
      ['raw streams: updates lost', `${lost.length}`],
      ['raw streams: slowest, from the end of a failure to the newest on every stream', ms(slowestMs)],
    ],
  };
}

function ofSilent({ rotations, lost, memoryMb: { before, after }, output }: SilentReport): ChaosReport {
  const hunt = new KeyHunt();
  hunt.search(output);
  const grown = rotations > 2 * WARM_UP && after > before * GROWTH;
  return {
    lost: [
      ...lost,
      ...foundKeys(hunt.found),
      ...(grown ? [`memory has grown from ${before.toFixed()} to ${after.toFixed()} MB`] : []),
    ],
    rows: [
      [`silent streams (${SILENT.delta} delta, ${SILENT.sotw} state of the world): rotations`, `${rotations}`],
      ['silent streams: memory after the warm-up', `${before.toFixed()} MB`],
      ['silent streams: memory at the end', `${after.toFixed()} MB`],
      ['silent streams: private keys in any output', `${hunt.found}`],
    ],
  };
}

function ofMesh(mesh: MeshReport): ChaosReport {
  const { counts, seconds, requests } = mesh;
  return {
    lost: [...mesh.lost, ...foundKeys(mesh.keysFound)],
    rows: [
      ['two Envoys: time', `${seconds.toFixed()} s`],
      ['two Envoys: requests, each on a new connection', `${requests} (${(requests / seconds).toFixed()} a second)`],
      ['two Envoys: lost', `${mesh.lost.length}`],
      ['two Envoys: SVID rotations', `${counts.rotations}`],
      ['two Envoys: CA rolls', `${counts['CA rolls']}`],
      ['two Envoys: kill -9 of the sidecar', `${counts.kills}`],
      ['two Envoys: upstream failures', `${sum(mesh.failed)} of ${mesh.failed.size} kinds`],
      ['two Envoys: SIGSTOP, SIGCONT', `${counts.stops}`],
      ['two Envoys: clock jumps and back (faketime)', `${counts['clock jumps']}`],
      ['two Envoys: sidecars with a full disk under their audit file', `${counts['full disks']}`],
      ['two Envoys: sidecars whose standard output nobody reads', `${counts['unread outputs']}`],
      ['two Envoys: sidecars whose OTLP collector hangs', `${counts['hanging collectors']}`],
      ['two Envoys: slowest start of a sidecar', ms(mesh.slowestStartMs)],
      ['two Envoys: from a change to both, median', ms(mesh.medianMs)],
      ['two Envoys: from a change to both, slowest', ms(mesh.slowestMs)],
      ['two Envoys: private keys in any output', `${mesh.keysFound}`],
    ],
  };
}

function foundKeys(found: number): readonly string[] {
  return found > 0 ? [`${found} keys were found in what was written`] : [];
}

function ms(value: number): string {
  return `${value.toFixed()} ms`;
}

function sum(counts: ReadonlyMap<unknown, number>): number {
  return [...counts.values()].reduce((total, count) => total + count, 0);
}
