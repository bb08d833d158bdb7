import { status } from '@grpc/grpc-js';
import { describe, expect, test } from 'vitest';
import { fetchSecrets } from '../../../src/sds/fetch.ts';
import { NOTHING_YET, view } from '../../support/secrets/secrets.ts';

const secrets = view({ a: '1', b: '2' });

/** What is fetched, as `name@version`. */
function fetched(names: readonly string[], from = secrets, answerEmptyRequest = true): readonly string[] {
  const result = fetchSecrets(names, from, answerEmptyRequest);
  return result.kind === 'secrets' ? result.secrets.map(({ name, version }) => `${name}@${version}`) : [];
}

describe('a fetch', () => {
  test('of names gets them, in the order of the request', () => {
    expect(fetched(['b', 'a'])).toEqual(['b@2', 'a@1']);
  });

  test('that names a secret twice gets it once', () => {
    expect(fetched(['a', 'a'])).toEqual(['a@1']);
  });

  test('without names gets everything', () => {
    expect(fetched([])).toEqual(['a@1', 'b@2']);
  });

  test('without names leaves out names without a secret', () => {
    expect(fetched([], { ...secrets, everything: ['a', 'c'] })).toEqual(['a@1']);
  });

  test('without names is refused when that is turned off', () => {
    expect(fetchSecrets([], secrets, false)).toMatchObject({ kind: 'failed', code: status.INVALID_ARGUMENT });
  });

  test('of an unknown name gets nothing but an error that lists it and the existing names', () => {
    expect(fetchSecrets(['a', 'c', 'd'], secrets, true)).toEqual({
      kind: 'failed',
      code: status.NOT_FOUND,
      details: 'no secret named c, d; there is a, b',
    });
  });

  test.each([
    ['before the Workload API has spoken', NOTHING_YET],
    ['when it has no identity for us', view({})],
  ])('%s is to be tried again', (_, nothing) => {
    expect(fetchSecrets(['a'], nothing, true)).toMatchObject({ kind: 'failed', code: status.UNAVAILABLE });
  });
});
