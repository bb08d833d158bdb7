/** The newest secrets as streams see them. Streams that see the same share one view, and so the steps that they take with it. */
import { EVERYTHING, type Grant } from '../../access/access-rules.ts';
import { grantedSet } from '../../access/granted-set.ts';
import type { ValidationForm } from '../../secrets/secret.ts';
import { NO_SECRETS, type SecretSet } from '../../secrets/secret-set.ts';
import type { SecretsView } from '../protocol/view.ts';

/** What else than a rule makes a view another. */
export interface ViewOf {
  /** Trust domains to leave out of validation contexts that have more than one. */
  readonly without?: ReadonlySet<string> | undefined;
  /** Names in whose place a validation context stands that trusts nobody. */
  readonly denied?: ReadonlySet<string>;
}

const NONE: ReadonlySet<string> = new Set();

export class Views {
  /** By what gives the names, so that no view ever goes to who has another rule. */
  readonly #known = new Map<Grant, Map<string, SecretsView>>();
  #secrets = NO_SECRETS;
  #onDemand: SecretsView['onDemand'];

  /** @param onDemand whether Envoy asks for a name while a connection waits */
  constructor(onDemand: SecretsView['onDemand']) {
    this.#onDemand = onDemand;
  }

  /** These are the newest secrets. */
  update(secrets: SecretSet, onDemand: SecretsView['onDemand']): void {
    this.#secrets = secrets;
    this.#onDemand = onDemand;
    this.#known.clear();
  }

  /** @param grant what the peer may have */
  of(form: ValidationForm, grant: Grant, { without, denied = NONE }: ViewOf = {}): SecretsView {
    const giver = grant.all ? EVERYTHING : grant;
    const byKey = this.#known.get(giver) ?? new Map<string, SecretsView>();
    this.#known.set(giver, byKey);
    // As a rule a key is the form: this is done for each push.
    const key = without === undefined && denied.size === 0 ? form : JSON.stringify([form, [...(without ?? [])], [...denied]]);
    const known = byKey.get(key);
    if (known !== undefined) return known;
    const secrets = grantedSet(this.#secrets, giver);
    const view: SecretsView = {
      everything: secrets.ids,
      complete: secrets.complete,
      get: (name) => (denied.has(name) ? secrets.denial(name, form) : secrets.get(name, form, without)),
      pending: (name) => secrets.pending(name),
      onDemand: this.#onDemand,
    };
    byKey.set(key, view);
    return view;
  }
}
