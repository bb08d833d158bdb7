/**
 * One name on one stream: what was sent, what became of it, and what may be sent next. Shared by state of the world and delta.
 *
 * Envoy remembers the hash of what it saw last before it applies it: the same bytes again are acknowledged without being applied. So what
 * was rejected is never sent again while it is the newest, and its acknowledgement proves nothing.
 */
import type { SecretVersion } from '../../events.ts';
import { type Secret, versionOf } from '../../secrets/secret.ts';
import type { Carried } from './backlog.ts';
import type { SecretsView } from './view.ts';

export interface NameState {
  /** The last that was sent: Envoy has it, or has rejected it. */
  readonly sent?: Secret;
  /** The last of which an ACK proves that Envoy uses it. */
  readonly accepted?: Secret;
  /** The versions of which Envoy saw one last: several when it rejected responses without a known culprit. */
  readonly seen?: readonly string[];
  /** The version that was rejected. */
  readonly rejected?: string;
  /** A version that stood in a rejected response beside others: it may or may not be to blame. */
  readonly suspect?: string;
  /** The version that a delta client said it has from an earlier stream. */
  readonly holds?: string;
  /** The version that a delta client would say it has: the last that it acknowledged. */
  readonly shown?: string;
  /** It is to be answered even when there is nothing new: it was asked for just now. */
  readonly owed?: true;
  /** A delta client was told that there is none. */
  readonly removed?: true;
  /** The peer may not have it any more: `sent` has no content, so that nothing sends it again. */
  readonly revoked?: true;
  /** Envoy has had a state-of-the-world response without it: only the first of those is taken ill. */
  readonly missed?: true;
}

const UNSEEN = [''];

export type NameStates = ReadonlyMap<string, NameState>;

/** What an earlier stream of the same Envoy came to: which version of a name it rejected, and what it has instead. */
export type Recall = (name: string) => { readonly rejected: string; readonly accepted?: Secret } | undefined;

/** Nothing is known of an earlier stream. */
export const NO_RECALL: Recall = () => undefined;

/** How a request is taken in. */
export interface ReceiveOptions {
  /** Whether a first request without names subscribes to everything. */
  readonly answerEmptyRequest: boolean;
  /** Heeded in the first request; in delta, for an Envoy that shows versions. */
  readonly recall: Recall;
}

/** A name that was asked for just now. */
export function subscribed(name: string, recall: Recall): NameState {
  return { ...recall(name), owed: true };
}

/** The newest, unless it was rejected or is of another kind than what was sent before. */
export function wanted(name: string, state: NameState, view: SecretsView): Secret | undefined {
  const secret = view.get(name);
  return secret?.version === state.rejected || isOfOtherKind(state, secret) ? undefined : secret;
}

/**
 * Whether a name stands for another kind of secret than when it was sent. Envoy takes what it did not ask for, and a listener that gets a token
 * in the place of whom to trust verifies nobody.
 */
export function isOfOtherKind({ sent }: NameState, newest: Secret | undefined): boolean {
  return sent !== undefined && newest !== undefined && sent.kind !== newest.kind;
}

/** What Envoy has and is happy with, as far as that is known. */
export function lastGood({ sent, accepted, rejected, suspect, revoked }: NameState): Secret | undefined {
  if (revoked) return undefined;
  return sent === undefined || sent.version === rejected || sent.version === suspect ? accepted : sent;
}

/**
 * What a state-of-the-world response carries of a name of which it says nothing new. What was sent once must not be missing, be it good
 * or not known to be; what was rejected is not sent again.
 */
export function standing(state: NameState): Secret | undefined {
  if (state.revoked) return undefined;
  return lastGood(state) ?? (state.sent?.version === state.rejected ? undefined : state.sent);
}

/** Whether there is content to send for this name. */
export function isDue(name: string, state: NameState, view: SecretsView): boolean {
  const secret = wanted(name, state, view);
  if (state.owed) return secret !== undefined || lastGood(state) !== undefined;
  if (secret === undefined) return false;
  return secret.version === state.suspect || secret.version !== (state.sent?.version ?? state.holds);
}

/** After `secret` went out. A rejection is forgotten when there is other content: Envoy compares with the last bytes only. */
export function afterSending(
  { accepted, seen, shown, rejected, suspect }: NameState,
  secret: Secret,
  view: SecretsView,
): NameState {
  const newest = view.get(secret.name)?.version;
  return {
    sent: secret,
    ...(accepted && { accepted }),
    ...(seen && { seen }),
    ...(shown !== undefined && { shown }),
    ...(rejected !== undefined && rejected === newest && { rejected }),
    ...(suspect !== undefined && suspect === newest && { suspect }),
  };
}

/** Whether Envoy may have seen this version last. */
export function mayHaveSeen({ seen = UNSEEN }: NameState, version: string): boolean {
  return seen.includes(version);
}

/** Whether this version is certainly the last that Envoy saw. */
export function hasSeen({ seen = UNSEEN }: NameState, version: string): boolean {
  return seen.length === 1 && seen[0] === version;
}

/** After an ACK of a response that carried `secret`. When its content is not kept any more, nothing is known to go back to. */
export function afterAccept(state: NameState, secret: Carried): NameState {
  const { suspect, accepted, ...known } = state;
  const proven = !mayHaveSeen(state, secret.version) && secret.version !== accepted?.version;
  const good = 'any' in secret ? secret : undefined;
  const inUse = proven ? good : accepted;
  return {
    ...known,
    seen: [secret.version],
    shown: secret.version,
    ...(inUse && { accepted: inUse }),
    ...(suspect !== undefined && suspect !== secret.version && { suspect }),
  };
}

/**
 * After a NACK for which `secret` alone is to blame. Envoy keeps what it does not use, and then rejects whatever comes beside it, the next
 * trust bundle for one. So what was good goes out again; when that is rejected too, another is to blame.
 */
export function afterReject({ suspect: _, ...state }: NameState, secret: SecretVersion): NameState {
  const seen = [secret.version];
  if (secret.version === state.accepted?.version) return { ...state, seen };
  return { ...state, rejected: secret.version, seen, ...(state.accepted && { owed: true }) };
}

/** After a NACK of a response that carried `secret` beside others: Envoy may or may not have come to it. */
export function afterDoubt(state: NameState, { version }: SecretVersion): NameState {
  const { seen = UNSEEN } = state;
  return seen.includes(version) ? state : { ...state, seen: [...seen, version] };
}

/** What a peer may have now, by name. */
export interface AccessChange {
  gives(name: string): boolean;
  /** Whether it was taken before, and something else has its place. */
  wasDenied(name: string): boolean;
}

/** What a peer may not have any more is not kept, so that it cannot be sent again; what it may have again is owed. */
export function afterAccessChange(states: NameStates, { gives, wasDenied }: AccessChange): NameStates {
  return new Map([...states].map(([name, state]) => [name, accessChanged(state, gives(name), wasDenied(name))]));
}

const NO_CONTENT = Buffer.alloc(0);

function accessChanged(state: NameState, isGiven: boolean, wasDenied: boolean): NameState {
  const { sent, accepted, owed: _, ...rest } = state;
  if (isGiven) return state.revoked ? { ...state, owed: true } : state;
  if (wasDenied || (sent === undefined && accepted === undefined)) return state;
  return { ...rest, ...(sent && { sent: { ...sent, any: NO_CONTENT }, revoked: true }) };
}

/** Of what was carried only the versions, but for what of each name was sent last: the rest is overtaken. */
export function withoutOvertaken<Response extends { readonly secrets: readonly Carried[] }>(
  responses: Iterable<Response>,
  names: NameStates,
): readonly Response[] {
  const isOvertaken = (secret: Carried): secret is Secret => 'any' in secret && names.get(secret.name)?.sent !== secret;
  return [...responses].map((response) => {
    const { secrets } = response;
    return secrets.some(isOvertaken)
      ? { ...response, secrets: secrets.map((secret) => (isOvertaken(secret) ? versionOf(secret) : secret)) }
      : response;
  });
}
