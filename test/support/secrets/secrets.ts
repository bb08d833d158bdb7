/** Secrets and views for tests of the state machines: content is a version, nothing is encoded. */
import type { SecretsView } from '../../../src/sds/protocol/view.ts';
import type { Secret } from '../../../src/secrets/secret.ts';

export function secret(name: string, version: string): Secret {
  return { name, version, kind: 'tls_certificate', any: Buffer.from(`${name}@${version}`) };
}

/** @param versions by name */
export function view(versions: Readonly<Record<string, string>>, onDemand: (name: string) => boolean = () => false): SecretsView {
  return {
    everything: Object.keys(versions),
    complete: true,
    pending: () => false,
    onDemand,
    get: (name) => (Object.hasOwn(versions, name) ? secret(name, versions[name] as string) : undefined),
  };
}

/** Before the Workload API has said anything. */
export const NOTHING_YET: SecretsView = {
  everything: [],
  complete: false,
  pending: () => false,
  onDemand: () => false,
  get: () => undefined,
};
