/** What the demo has seen so far, and what follows from it. Pure. */
import type { X509Certificate } from 'node:crypto';

/** What a request through both Envoys came to, or an attempt of the intruder. */
export type Observation =
  | { readonly kind: 'answered'; readonly frontend: X509Certificate; readonly backend: X509Certificate }
  | { readonly kind: 'failed'; readonly reason: string }
  | { readonly kind: 'refused'; readonly reason: string }
  | { readonly kind: 'let_in' };

/** One of the two identities, as the other one saw it in the handshake. */
interface Side {
  readonly certificate: X509Certificate | undefined;
  /** How often the serial number has changed. */
  readonly rotations: number;
}

export interface Tally {
  readonly frontend: Side;
  readonly backend: Side;
  readonly answered: number;
  readonly failed: number;
  readonly refused: number;
  /** Why the intruder was refused the last time. */
  readonly refusal: string;
  readonly letIn: number;
}

export interface Verdict {
  readonly passed: boolean;
  readonly line: string;
}

const UNSEEN: Side = { certificate: undefined, rotations: 0 };

export const NOTHING_YET: Tally = {
  frontend: UNSEEN,
  backend: UNSEEN,
  answered: 0,
  failed: 0,
  refused: 0,
  refusal: '',
  letIn: 0,
};

/** The tally after one more observation. */
export function counted(tally: Tally, seen: Observation): Tally {
  switch (seen.kind) {
    case 'answered':
      return {
        ...tally,
        answered: tally.answered + 1,
        frontend: presented(tally.frontend, seen.frontend),
        backend: presented(tally.backend, seen.backend),
      };
    case 'failed':
      return { ...tally, failed: tally.failed + 1 };
    case 'refused':
      return { ...tally, refused: tally.refused + 1, refusal: seen.reason };
    case 'let_in':
      return { ...tally, letIn: tally.letIn + 1 };
  }
}

/** Rotations that both identities have been through. */
export function rotationsOf({ frontend, backend }: Tally): number {
  return Math.min(frontend.rotations, backend.rotations);
}

/** @param rotations how many are needed to pass; undefined when it was stopped before its end */
export function verdictOn(tally: Tally, rotations: number | undefined): Verdict {
  const seen = rotationsOf(tally);
  const missing = rotations !== undefined && seen < rotations ? ` (${times(rotations)} expected)` : '';
  const passed = tally.failed === 0 && tally.letIn === 0 && missing === '';
  const word = !passed ? 'FAILED' : rotations === undefined ? 'Stopped' : 'PASSED';
  return {
    passed,
    line: `${word}: certificates rotated ${times(seen)}${missing}; requests ${requestsOf(tally)}; intruder ${intruderOf(tally)}`,
  };
}

export function requestsOf({ answered, failed }: Tally): string {
  return `${answered} answered, ${failed} failed`;
}

export function intruderOf({ refused, refusal, letIn }: Tally): string {
  return `${refused} refused, ${letIn} let in${refusal === '' ? '' : `: ${refusal}`}`;
}

/** Enough of a serial number to tell it from the next. */
export function shortSerial({ serialNumber }: X509Certificate): string {
  return serialNumber.slice(0, 8).toLowerCase();
}

function presented({ certificate: last, rotations }: Side, certificate: X509Certificate): Side {
  const rotated = last !== undefined && last.serialNumber !== certificate.serialNumber;
  return { certificate, rotations: rotated ? rotations + 1 : rotations };
}

function times(count: number): string {
  return count === 1 ? 'once' : `${count} times`;
}
