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
  /** To be sent although it is not new: it was asked for just now, or Envoy must go back to it. */
  readonly mustSend?: true;
  /** A delta client got a response that removes it. */
  readonly removed?: true;
  /** The peer may not have it any more: `sent` has no content, so that nothing sends it again. */
  readonly revoked?: true;
  /** Envoy has had a state-of-the-world response without it: it rejects only the first of those. */
  readonly missed?: true;
}

const UNSEEN = [''];

export type NameStates = ReadonlyMap<string, NameState>;

/** What is remembered of an earlier stream of the same Envoy: the version of a name that it rejected, and the secret that it uses instead. */
export type Recall = (name: string) => { readonly rejected: string; readonly accepted?: Secret } | undefined;

/** Nothing is known of an earlier stream. */
export const NO_RECALL: Recall = () => undefined;

/** What `receive` needs to know besides the request. */
export interface ReceiveOptions {
  /** Whether a first request without names subscribes to everything. */
  readonly answerEmptyRequest: boolean;
  /** Used for the first request only; in delta only when that request has `initial_resource_versions`. */
  readonly recall: Recall;
}

/** A name that was asked for just now. */
export function subscribed(name: string, recall: Recall): NameState {
  return { ...recall(name), mustSend: true };
}

/** The newest, unless it was rejected or is of another kind than what was sent before. */
export function wanted(name: string, state: NameState, view: SecretsView): Secret | undefined {
  const secret = view.get(name);
  return secret?.version === state.rejected || isOfOtherKind(state, secret) ? undefined : secret;
}

/**
 * Whether a name now stands for another kind of secret than the one that was sent. Envoy accepts the other kind, and a listener that gets a
 * token instead of a validation context verifies nobody.
 */
export function isOfOtherKind({ sent }: NameState, newest: Secret | undefined): boolean {
  return sent !== undefined && newest !== undefined && sent.kind !== newest.kind;
}

/** What Envoy uses now, as far as that is known. */
export function lastGood({ sent, accepted, rejected, suspect, revoked }: NameState): Secret | undefined {
  if (revoked) return undefined;
  return sent === undefined || sent.version === rejected || sent.version === suspect ? accepted : sent;
}

/**
 * What a state-of-the-world response carries for a name that has nothing new. What was sent once must not be missing, even when it is not
 * known whether Envoy accepts it; what was rejected is not sent again.
 */
export function standing(state: NameState): Secret | undefined {
  if (state.revoked) return undefined;
  return lastGood(state) ?? (state.sent?.version === state.rejected ? undefined : state.sent);
}

/** Whether there is content to send for this name. */
export function isDue(name: string, state: NameState, view: SecretsView): boolean {
  const secret = wanted(name, state, view);
  if (state.mustSend) return secret !== undefined || lastGood(state) !== undefined;
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

/** After an ACK of a response that carried `secret`. When its content is not kept any more, there is nothing to go back to. */
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
 * After a NACK that only `secret` can have caused. Envoy keeps a secret that it rejected, and then rejects every response that carries
 * others beside it, for example the next trust bundle. So the last good content is sent again; when that is rejected too, another secret is
 * the cause.
 */
export function afterReject({ suspect: _, ...state }: NameState, secret: SecretVersion): NameState {
  const seen = [secret.version];
  if (secret.version === state.accepted?.version) return { ...state, seen };
  return { ...state, rejected: secret.version, seen, ...(state.accepted && { mustSend: true }) };
}

/** After a NACK of a response that carried `secret` beside others: Envoy may have applied it or not. */
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

/** What a peer may not have any more is not kept, so that it cannot be sent again; what it may have again must be sent. */
export function afterAccessChange(states: NameStates, { gives, wasDenied }: AccessChange): NameStates {
  return new Map([...states].map(([name, state]) => [name, accessChanged(state, gives(name), wasDenied(name))]));
}

const NO_CONTENT = Buffer.alloc(0);

function accessChanged(state: NameState, isGiven: boolean, wasDenied: boolean): NameState {
  const { sent, accepted, mustSend: _, ...rest } = state;
  if (isGiven) return state.revoked ? { ...state, mustSend: true } : state;
  if (wasDenied || (sent === undefined && accepted === undefined)) return state;
  return { ...rest, ...(sent && { sent: { ...sent, any: NO_CONTENT }, revoked: true }) };
}

/** Keeps the content of what was sent last for each name. Of older content, which is overtaken, it keeps the version only. */
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
