/** The state of one stream, for the admin API. */
import type { SecretKind, StreamInfo } from '../../events.ts';
import { lastGood, type NameStates } from '../protocol/name-state.ts';

export interface StreamStatus extends StreamInfo {
  /** Milliseconds since the epoch, as are the other times. */
  readonly openedAt: number;
  readonly names: readonly NameStatus[];
  /** How many responses were not answered yet. */
  readonly unanswered: number;
  /** The rule of `sds.allow` that says what its peer may have; `none`: no rule is for it any more. Absent where there are no rules. */
  readonly rule?: string;
  readonly lastAck?: number;
  readonly lastNack?: LastNack;
}

export interface LastNack {
  readonly at: number;
  /** Of the response that was rejected. */
  readonly names: readonly string[];
  /** Redacted. */
  readonly reason: string;
}

export interface NameStatus {
  readonly name: string;
  readonly kind?: SecretKind;
  /** The version that was sent last. */
  readonly sent?: string;
  /** The version that Envoy uses, as far as that is known. */
  readonly inUse?: string;
  /** The version that Envoy rejected last, while it is the newest. */
  readonly rejected?: string;
  /** There is nothing to send. */
  readonly held: boolean;
}

export function nameStatuses(states: NameStates, held: readonly string[]): readonly NameStatus[] {
  return [...states].map(([name, state]) => {
    const { sent, rejected } = state;
    const inUse = lastGood(state);
    return {
      name,
      ...(sent && { kind: sent.kind, sent: sent.version }),
      ...(inUse && { inUse: inUse.version }),
      ...(rejected !== undefined && { rejected }),
      held: held.includes(name),
    };
  });
}
