/** What the node of a stream's first request says about the Envoy at the other end. */
import type { Node } from '../../gen/messages.ts';
import type { ValidationForm } from '../../secrets/secret.ts';

/** Set on a node, this asks for plain trusted_ca; SPIRE's agent knows the same key. */
const DISABLE_VALIDATOR = 'disable_spiffe_cert_validation';
/** The first Envoy with a SPIFFE validator. */
const FIRST_WITH_VALIDATOR = { major: 1, minor: 18 };

/** The form of validation context that this Envoy needs or asks for; undefined: the configured one. */
export function formFor(node: Node | null): ValidationForm | undefined {
  if (node === null) return undefined;
  if (lacksValidator(node)) return 'legacy';
  return asksForPlain(node) ? 'trusted_ca' : undefined;
}

/** Anything but true or "true" is ignored. */
function asksForPlain({ metadata }: Node): boolean {
  const value = metadata?.fields[DISABLE_VALIDATOR];
  return value?.bool_value === true || value?.string_value === 'true';
}

function lacksValidator({ user_agent_name, user_agent_build_version }: Node): boolean {
  const version = user_agent_build_version?.version;
  if (user_agent_name !== 'envoy' || !version) return false;
  const { major, minor } = FIRST_WITH_VALIDATOR;
  return version.major_number < major || (version.major_number === major && version.minor_number < minor);
}
