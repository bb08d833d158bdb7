/** The secrets as one stream may see them: which names exist depends on the peer, what they contain on the Envoy's node. */
import type { Secret } from '../secrets/secret.ts';

export interface SecretsView {
  get(name: string): Secret | undefined;
  /** What a subscription to everything covers now. */
  readonly everything: readonly string[];
}
