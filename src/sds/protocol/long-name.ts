/**
 * A name that is too long for a secret is held like any other that is not known. Only a hash of it is kept: what is held costs memory,
 * and a line in the log.
 */
import { createHash } from 'node:crypto';
import type { DeltaDiscoveryRequest, DiscoveryRequest } from '../../gen/messages.ts';

/** Bytes. No SPIFFE ID is longer (SPIFFE ID specification, section 2.3). */
const MAX_NAME_BYTES = 2048;
/** No SPIFFE ID begins like this, and no name in a configuration may begin like a SPIFFE ID. */
const STAND_IN = 'spiffe://(';

/** The request with what stands for its long names: for the same name always the same. */
export function withShortNames<Message extends DiscoveryRequest | DeltaDiscoveryRequest>(message: Message): Message {
  if ('resource_names' in message) return { ...message, resource_names: shortened(message.resource_names) };
  const { resource_names_subscribe, resource_names_unsubscribe, initial_resource_versions } = message;
  return {
    ...message,
    resource_names_subscribe: shortened(resource_names_subscribe),
    resource_names_unsubscribe: shortened(resource_names_unsubscribe),
    initial_resource_versions: Object.fromEntries(
      Object.entries(initial_resource_versions).map(([name, version]) => [shortName(name), version]),
    ),
  };
}

/** Whether this stands for a name that is too long. The client does not know it by this one. */
export function isStandIn(name: string): boolean {
  return name.startsWith(STAND_IN);
}

function shortened(names: readonly string[]): readonly string[] {
  return names.map(shortName);
}

function shortName(name: string): string {
  const bytes = Buffer.byteLength(name);
  if (bytes <= MAX_NAME_BYTES) return name;
  return `${STAND_IN}a name of ${bytes} bytes, SHA-256 ${createHash('sha256').update(name).digest('hex')})`;
}
