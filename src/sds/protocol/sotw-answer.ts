/**
 * What we learn from an ACK or a NACK of a state-of-the-world response. Envoy applies the secrets of one response in its own order and
 * stops at the first that it rejects: so a NACK of several secrets says neither which one it rejects nor which were applied.
 */
import type { SecretVersion } from '../../events.ts';
import type { Carried } from './backlog.ts';
import { afterAccept, afterDoubt, afterReject, hasSeen, mayHaveSeen, type NameState } from './name-state.ts';
import type { SotwRequest, SotwState, SotwUnanswered } from './sotw-state.ts';

/** An answer counts for the response that its nonce names, also when newer ones are on their way. */
export function afterAnswer(
  state: SotwState,
  answered: SotwUnanswered,
  request: SotwRequest,
  culprit: Carried | undefined,
): SotwState {
  const unanswered = state.unanswered.slice(state.unanswered.indexOf(answered) + 1);
  const known = { ...state, unanswered, lastAnswered: answered.nonce };
  return request.rejected ? afterNack(known, answered, culprit) : afterAck(known, answered, request);
}

function afterAck(state: SotwState, answered: SotwUnanswered, request: SotwRequest): SotwState {
  // Envoy does not look at names that it does not want any more.
  const isWanted = ({ name }: SecretVersion) => state.subscription.kind === 'everything' || request.names.includes(name);
  const isOnItsWay = (name: string) => state.unanswered.some(({ secrets }) => secrets.some((secret) => secret.name === name));
  const names = new Map(state.names);
  for (const secret of answered.secrets.filter(isWanted)) change(names, secret.name, (before) => afterAccept(before, secret));
  for (const name of answered.lacks) if (!isOnItsWay(name)) change(names, name, afterMissing);
  return { ...state, names, patience: answered.apart?.last === false ? state.patience : undefined };
}

/**
 * Envoy may have applied a part of a rejected response: what it perhaps does not have is sent again. When it had accepted all of the
 * response before, the NACK teaches nothing, and the response is repeated only for a listener that may be new since then.
 */
function afterNack(state: SotwState, answered: SotwUnanswered, culprit: Carried | undefined): SotwState {
  const { secrets, asked, apart } = answered;
  const risky = riskyIn(answered, state);
  const missed = missedIn(answered, state);
  const names = new Map(state.names);
  if (risky.length + missed.length === 0) {
    const left = (state.patience ?? asked.length) - 1;
    for (const secret of secrets) {
      const mustSend = left >= 0 && asked.includes(secret.name);
      change(names, secret.name, (before) => afterNothingLearnt(before, secret, mustSend));
    }
    return { ...state, names, patience: asked.length > 0 ? left : state.patience };
  }
  for (const secret of secrets) {
    const isSuspect = culprit === undefined && risky.includes(secret);
    if (secret === culprit) change(names, secret.name, (before) => afterReject(before, secret));
    else change(names, secret.name, (before) => afterDoubtful(before, secret, answered, isSuspect));
  }
  const [first] = missed;
  if (risky.length === 0 && first !== undefined) change(names, first, afterMissing);
  if (culprit !== undefined && apart?.last) return { ...state, names, patience: undefined };
  if (culprit !== undefined || apart?.tried !== undefined || risky.length === 0) return { ...state, names };
  // Each time Envoy rejects at least one secret that it had not reached before, or one that is missing.
  const isNew = risky.some(({ name, version }) => !mayHaveSeen(state.names.get(name) ?? {}, version));
  const patience = isNew ? undefined : state.patience;
  return { ...state, names, patience: (patience ?? risky.length + missed.length) - 1 };
}

function change(names: Map<string, NameState>, name: string, after: (before: NameState) => NameState): void {
  const before = names.get(name);
  if (before !== undefined) names.set(name, after(before));
}

function afterNothingLearnt({ suspect, ...before }: NameState, { version }: SecretVersion, mustSend: boolean): NameState {
  const isStillSuspect = suspect !== undefined && suspect !== version;
  return { ...before, seen: [version], ...(isStillSuspect && { suspect }), ...(mustSend && { mustSend }) };
}

/** The secret that caused the rejection, if only one can have. */
export function culpritOf(answered: SotwUnanswered, state: SotwState): Carried | undefined {
  const { apart, secrets } = answered;
  const [first, ...others] = riskyIn(answered, state);
  if (apart?.tried === undefined) return others.length === 0 && missedIn(answered, state).length === 0 ? first : undefined;
  const tried = secrets.find(({ name }) => name === apart.tried && state.names.has(name));
  return others.length === 0 ? (first ?? tried) : undefined;
}

function afterDoubtful(before: NameState, secret: SecretVersion, { asked }: SotwUnanswered, isSuspect: boolean): NameState {
  const mustSend = asked.includes(secret.name) || !hasSeen(before, secret.version);
  return {
    ...afterDoubt(before, secret),
    ...(isSuspect && { suspect: secret.version }),
    ...(mustSend && { mustSend }),
  };
}

function afterMissing(before: NameState): NameState {
  return { ...before, missed: true };
}

/** What Envoy may have rejected: it is not known to be good, and not just what Envoy saw before. */
function riskyIn({ secrets, asked, unseen }: SotwUnanswered, { names }: SotwState): readonly Carried[] {
  return secrets.filter(({ name, version }) => {
    const before = names.get(name);
    return (
      before !== undefined &&
      before.accepted?.version !== version &&
      (asked.includes(name) || unseen.includes(name) || !hasSeen(before, version))
    );
  });
}

/** What Envoy's unified mux may have rejected the response for, because it is not in it. */
function missedIn({ lacks }: SotwUnanswered, { names }: SotwState): readonly string[] {
  return lacks.filter((name) => {
    const state = names.get(name);
    return state?.sent !== undefined && !state.missed;
  });
}
