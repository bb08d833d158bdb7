/** The secrets as one stream may see them: which names exist depends on the peer, what they contain on the Envoy's node. */
import type { Secret } from '../../secrets/secret.ts';

export interface SecretsView {
  get(name: string): Secret | undefined;
  /** What a subscription to everything covers now. */
  readonly everything: readonly string[];
  /** False until the Workload API has said anything: until then a missing secret is not gone, it is not there yet. */
  readonly complete: boolean;
  /** There is nothing of that name now, and there will be in a moment. */
  pending(name: string): boolean;
  /** Whether an Envoy asks for this name while a connection waits: it is told at once that there is none. */
  onDemand(name: string): boolean;
}
