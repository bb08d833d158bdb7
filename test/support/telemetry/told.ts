/** Events as the sidecar tells them, for listeners under test. */
import type { Event, ResponseInfo, StreamInfo } from '../../../src/events.ts';
import { parseSpiffeId, parseTrustDomain } from '../../../src/spiffe/spiffe-id.ts';

export const WEB = parseSpiffeId('spiffe://example.org/web');
export const EXAMPLE_ORG = parseTrustDomain('example.org');

type Told<T extends Event['type']> = Event & { readonly type: T };
type Rest<T extends Event['type']> = Partial<Omit<Told<T>, 'type'>>;

export function streamInfo(stream = 1, more: Partial<StreamInfo> = {}): StreamInfo {
  return { stream, method: 'sotw', node: 'edge', peer: { connection: 1 }, ...more };
}

/** One certificate, because of update 1. */
export function response(more: Partial<ResponseInfo> = {}): ResponseInfo {
  const secrets = [{ name: 'default', kind: 'tls_certificate', version: 'abc' }] as const;
  return { nonce: '1', secrets, removed: [], update: 1, because: 'update', ...more };
}

export function pushed(stream = 1, more: Rest<'secrets_pushed'> = {}): Event {
  return { type: 'secrets_pushed', ...streamInfo(stream), ...response(), ...more };
}

export function accepted(stream = 1, more: Rest<'secrets_accepted'> = {}): Event {
  return { type: 'secrets_accepted', afterMs: 2, ...streamInfo(stream), ...response(), ...more };
}

export function rejected(stream = 1, more: Rest<'secrets_rejected'> = {}): Event {
  const words = { reason: 'Failed to load private key', kind: 'private_key' } as const;
  return { type: 'secrets_rejected', afterMs: 2, ...words, ...streamInfo(stream), ...response(), ...more };
}

export function svid(type: 'svid_received' | 'svid_rotated', serial: string, notAfter = 9_000_000): Event {
  return { type, id: WEB, hint: '', serial, notAfter };
}

export function lost(code: string, retryInMs?: number): Event {
  const told = { address: 'unix:///agent.sock', code, details: 'gone', meaning: 'it is gone', failures: 1 };
  return { type: 'workload_api_lost', ...told, ...(retryInMs !== undefined && { retryInMs }) };
}

/** What a message tells before anything is sent, and after: it begins update `update`. */
export function message(number: number, update?: number, changes: readonly Event[] = []): readonly Event[] {
  return [
    { type: 'message_received', message: number, method: 'FetchX509SVID' },
    { type: 'context_received', message: number, svids: 1, bundles: 1 },
    ...changes,
    ...(update === undefined ? [] : [updated(update)]),
    { type: 'message_handled', message: number },
  ];
}

export function updated(update: number): Event {
  return { type: 'secrets_updated', update, cause: 'workload_api', names: 3 };
}
