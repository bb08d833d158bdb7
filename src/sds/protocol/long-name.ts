/**
 * A name that is too long for a secret is held like any other unknown name. Only a hash of it is kept, because a held name costs memory and
 * a line in the log.
 */
import { createHash } from 'node:crypto';
import type { DeltaDiscoveryRequest, DiscoveryRequest } from '../../gen/messages.ts';

/** Bytes. No SPIFFE ID is longer (SPIFFE ID specification, section 2.3). */
const MAX_NAME_BYTES = 2048;
/** No SPIFFE ID begins like this, and no name in a configuration may begin like a SPIFFE ID. */
const STAND_IN = 'spiffe://(';

/** The request with its long names replaced. The same name is always replaced by the same text. */
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

/** Whether this replaces a name that is too long. The client does not know it. */
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
