/** FetchSecrets: the same secrets, once, without a stream. The answer is never empty. */
import { listed as listedUpTo } from '../printable.ts';
import type { Secret } from '../secrets/secret.ts';
import { type Failure, Status } from '../server/grpc/status.ts';
import type { SecretsView } from './protocol/view.ts';

export type Fetched = { readonly kind: 'secrets'; readonly secrets: readonly Secret[] } | ({ readonly kind: 'failed' } & Failure);

/** A status travels in HTTP/2 headers: a long one would cost the client its whole connection. */
const MAX_LISTED = 10;
const MAX_NAME_LENGTH = 256;

/**
 * @param names none: everything, unless `answerEmptyRequest` is false
 * @param hasIdentity whether there is anything at all, for whomever; default: whether there is for this peer
 */
export function fetchSecrets(
  names: readonly string[],
  view: SecretsView,
  answerEmptyRequest: boolean,
  hasIdentity = view.everything.length > 0,
): Fetched {
  const { everything } = view;
  if (names.length === 0 && !answerEmptyRequest) {
    return {
      kind: 'failed',
      code: Status.INVALID_ARGUMENT,
      details: 'the request names no secret (names.answer_empty_request is false)',
    };
  }
  if (!view.complete || !hasIdentity) {
    return {
      kind: 'failed',
      code: Status.UNAVAILABLE,
      details: 'there is no secret yet: the Workload API has given this workload no identity',
    };
  }
  if (names.length === 0 && everything.length === 0) {
    return { kind: 'failed', code: Status.NOT_FOUND, details: 'there is no SVID and no bundle for this peer (sds.allow)' };
  }
  const wanted = [...new Set(names.length === 0 ? everything : names)];
  const secrets = wanted.map((name) => view.get(name)).filter((secret) => secret !== undefined);
  const late = wanted.filter((name) => view.get(name) === undefined && view.pending(name));
  if (late.length > 0) {
    const details = `${listed(late)} was asked for at the Workload API and is not here yet: ask again`;
    return { kind: 'failed', code: Status.UNAVAILABLE, details };
  }
  const unknown = wanted.filter((name) => view.get(name) === undefined);
  if (names.length > 0 && unknown.length > 0) {
    return {
      kind: 'failed',
      code: Status.NOT_FOUND,
      details: `no secret named ${listed(unknown)}; there is ${listed(everything) || 'no SVID and no bundle for this peer'}`,
    };
  }
  return { kind: 'secrets', secrets };
}

function listed(names: readonly string[]): string {
  return listedUpTo(MAX_LISTED, names, (name) => name.slice(0, MAX_NAME_LENGTH).toWellFormed());
}
