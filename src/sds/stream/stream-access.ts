/** What one stream may have, as the rules are now: who it is for is asked again only when the rules or its peer's credentials changed. */
import type { AccessRules, ClaimedNode, Grant, Judgement } from '../../access/access-rules.ts';
import { grantedSet } from '../../access/granted-set.ts';
import type { Peer, PeerCredentials } from '../../events.ts';
import type { Secret, ValidationForm } from '../../secrets/secret.ts';
import type { SecretSet } from '../../secrets/secret-set.ts';
import type { AccessChange, NameStates } from '../protocol/name-state.ts';

/** Of a stream whose peer may not have anything any more. */
const NOTHING: Grant = { rule: '', gives: () => false, all: false };
/** Where there are no rules, the permissions of the socket have decided. */
const EVERYTHING: Grant = { rule: '', gives: () => true, all: true };

export class StreamAccess {
  readonly #rules: () => AccessRules | undefined;
  readonly #peer: Peer;
  /** Undefined until its first request says which node it is: until then nothing is asked for. */
  #node: ClaimedNode | undefined;
  #judgedBy: AccessRules | undefined;
  #judgedFor: PeerCredentials | undefined;
  #judgement: Judgement | undefined;
  #grant = EVERYTHING;
  /** Validation contexts that were taken from this peer: one that trusts nobody stands in their place. */
  #denied: ReadonlySet<string> = new Set();

  constructor(rules: () => AccessRules | undefined, peer: Peer) {
    this.#rules = rules;
    this.#peer = peer;
  }

  /** Its first request is here. */
  claim(node: ClaimedNode): void {
    this.#node = node;
    this.#look();
  }

  /**
   * Heeds other rules.
   * @param states of its names
   * @returns what changed for them; undefined: nothing
   */
  change(states: NameStates): AccessChange | undefined {
    if (!this.#look()) return undefined;
    const { gives } = this.#grant;
    const before = this.#denied;
    const isTaken = (name: string) => !gives(name) && (before.has(name) || states.get(name)?.sent?.kind === 'validation_context');
    this.#denied = new Set([...states.keys()].filter(isTaken));
    return { gives, wasDenied: (name) => before.has(name) };
  }

  gives(name: string): boolean {
    return this.#grant.gives(name);
  }

  /** Undefined where there are no rules. */
  get judgement(): Judgement | undefined {
    return this.#judgement;
  }

  /** The secrets that it may have. */
  of(secrets: SecretSet): SecretSet {
    return grantedSet(secrets, this.#grant);
  }

  /** @param granted the secrets that it may have */
  secret(granted: SecretSet, name: string, form: ValidationForm, without?: ReadonlySet<string>): Secret | undefined {
    return this.#denied.has(name) ? granted.denial(name, form) : granted.get(name, form, without);
  }

  /** @returns whether it may have something else now */
  #look(): boolean {
    const rules = this.#rules();
    const { credentials } = this.#peer;
    if (this.#node === undefined || (rules === this.#judgedBy && credentials === this.#judgedFor)) return false;
    this.#judgedBy = rules;
    this.#judgedFor = credentials;
    this.#judgement = rules?.judge(this.#peer, this.#node);
    const before = this.#grant;
    if (this.#judgement === undefined) this.#grant = EVERYTHING;
    else this.#grant = this.#judgement.kind === 'granted' ? this.#judgement : NOTHING;
    return this.#grant !== before;
  }
}
