/** The newest secrets as streams see them. Streams that see the same share one view, and so the steps that they take with it. */
import type { ValidationForm } from '../../secrets/secret.ts';
import { NO_SECRETS, type SecretSet } from '../../secrets/secret-set.ts';
import type { SecretsView } from '../protocol/view.ts';

export class Views {
  readonly #known = new Map<string, SecretsView>();
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

  /** @param without trust domains to leave out of validation contexts that have more than one */
  of(form: ValidationForm, without?: ReadonlySet<string>): SecretsView {
    const key = without === undefined ? form : `${form} ${[...without].join(' ')}`;
    const known = this.#known.get(key);
    if (known !== undefined) return known;
    const secrets = this.#secrets;
    const view: SecretsView = {
      everything: secrets.ids,
      complete: secrets.complete,
      get: (name) => secrets.get(name, form, without),
      pending: (name) => secrets.pending(name),
      onDemand: this.#onDemand,
    };
    this.#known.set(key, view);
    return view;
  }
}
