/**
 * What an ACK or a NACK of a state-of-the-world response teaches. Envoy applies what came in one response in an order of its own and stops
 * at the first that it rejects: so a NACK of several says neither whom it is for nor what was applied.
 */
import type { SecretVersion } from '../../events.ts';
import type { Carried } from './backlog.ts';
import { afterAccept, afterDoubt, afterReject, hasSeen, mayHaveSeen, type NameState } from './name-state.ts';
import type { SotwRequest, SotwState, SotwUnanswered } from './sotw-state.ts';

/** An answer counts for the response that its nonce names, also when newer ones are on their way. */
export function judge(state: SotwState, answered: SotwUnanswered, request: SotwRequest, culprit: Carried | undefined): SotwState {
  const unanswered = state.unanswered.slice(state.unanswered.indexOf(answered) + 1);
  const judged = { ...state, unanswered, lastAnswered: answered.nonce };
  return request.rejected ? afterNack(judged, answered, culprit) : afterAck(judged, answered, request);
}

function afterAck(state: SotwState, answered: SotwUnanswered, request: SotwRequest): SotwState {
  // What nobody there wants any more was not looked at.
  const isWanted = ({ name }: SecretVersion) => state.subscription.kind === 'everything' || request.names.includes(name);
  const isOnItsWay = (name: string) => state.unanswered.some(({ secrets }) => secrets.some((secret) => secret.name === name));
  const names = new Map(state.names);
  for (const secret of answered.secrets.filter(isWanted)) change(names, secret.name, (before) => afterAccept(before, secret));
  for (const name of answered.lacks) if (!isOnItsWay(name)) change(names, name, afterMissing);
  return { ...state, names, patience: answered.apart?.last === false ? state.patience : undefined };
}

/**
 * Of a rejected response Envoy may have applied a part: what it is not certain to have is sent again. A response of nothing but what it
 * took before teaches nothing, and is repeated only for a listener that may have come meanwhile.
 */
function afterNack(state: SotwState, answered: SotwUnanswered, culprit: Carried | undefined): SotwState {
  const { secrets, asked, apart } = answered;
  const risky = riskyIn(answered, state);
  const missed = missedIn(answered, state);
  const names = new Map(state.names);
  if (risky.length + missed.length === 0) {
    const left = (state.patience ?? asked.length) - 1;
    for (const secret of secrets) {
      const isOwed = left >= 0 && asked.includes(secret.name);
      change(names, secret.name, (before) => afterNothingLearnt(before, secret, isOwed));
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
  // Each time Envoy rejects at least one that it did not come to before, or one that it misses.
  const isNew = risky.some(({ name, version }) => !mayHaveSeen(state.names.get(name) ?? {}, version));
  const patience = isNew ? undefined : state.patience;
  return { ...state, names, patience: (patience ?? risky.length + missed.length) - 1 };
}

function change(names: Map<string, NameState>, name: string, after: (before: NameState) => NameState): void {
  const before = names.get(name);
  if (before !== undefined) names.set(name, after(before));
}

function afterNothingLearnt({ suspect, ...before }: NameState, { version }: SecretVersion, isOwed: boolean): NameState {
  const isStillSuspect = suspect !== undefined && suspect !== version;
  return { ...before, seen: [version], ...(isStillSuspect && { suspect }), ...(isOwed && { owed: true }) };
}

/** The only secret of a rejected response that can be to blame for it. */
export function culpritOf(answered: SotwUnanswered, state: SotwState): Carried | undefined {
  const { apart, secrets } = answered;
  const [first, ...others] = riskyIn(answered, state);
  if (apart?.tried === undefined) return others.length === 0 && missedIn(answered, state).length === 0 ? first : undefined;
  const tried = secrets.find(({ name }) => name === apart.tried && state.names.has(name));
  return others.length === 0 ? (first ?? tried) : undefined;
}

function afterDoubtful(before: NameState, secret: SecretVersion, { asked }: SotwUnanswered, isSuspect: boolean): NameState {
  const isOwed = asked.includes(secret.name) || !hasSeen(before, secret.version);
  return {
    ...afterDoubt(before, secret),
    ...(isSuspect && { suspect: secret.version }),
    ...(isOwed && { owed: true }),
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
