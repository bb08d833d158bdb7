/** What one stream may have, as the rules are now: who it is for is asked again only when the rules or its peer's credentials changed. */
import {
  type AccessRules,
  type ClaimedNode,
  EVERYTHING,
  type Grant,
  type Judgement,
  NOTHING,
} from '../../access/access-rules.ts';
import type { Peer, PeerCredentials } from '../../events.ts';
import type { AccessChange, NameStates } from '../protocol/name-state.ts';

const NO_NAMES: ReadonlySet<string> = new Set();

export class StreamAccess {
  readonly #rules: () => AccessRules | undefined;
  readonly #peer: Peer;
  /** Undefined until its first request says which node it is: until then nothing is asked for. */
  #node: ClaimedNode | undefined;
  #judgedBy: AccessRules | undefined;
  #judgedFor: PeerCredentials | undefined;
  #judgement: Judgement | undefined;
  #grant = EVERYTHING;
  #denied = NO_NAMES;

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

  get grant(): Grant {
    return this.#grant;
  }

  /** Validation contexts that were taken from this peer: one that trusts nobody stands in their place. */
  get denied(): ReadonlySet<string> {
    return this.#denied;
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
