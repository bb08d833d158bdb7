/** The secrets as one stream may see them: which names exist depends on the peer, what they contain on the Envoy's node. */
import type { Secret } from '../../secrets/secret.ts';

export interface SecretsView {
  get(name: string): Secret | undefined;
  /** What a subscription to everything covers now. */
  readonly everything: readonly string[];
  /** False until the Workload API has said anything: until then a missing secret is not gone, it is not there yet. */
  readonly complete: boolean;
  /** Whether the secret of that name is not here yet, but has been asked for at the Workload API. */
  pending(name: string): boolean;
  /** Whether Envoy asks for this name while a connection waits: then it must learn at once that there is no such secret. */
  onDemand(name: string): boolean;
}
