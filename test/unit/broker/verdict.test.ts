import { status } from '@grpc/grpc-js';
import { describe, expect, test } from 'vitest';
import { delegatedVerdictOf } from '../../../src/broker/delegated-verdict.ts';
import { verdictOf as brokerVerdictOf } from '../../../src/broker/verdict.ts';

describe.each([
  ['the broker', brokerVerdictOf],
  ['the Delegated Identity API', delegatedVerdictOf],
] as const)('a status of %s', (_, verdictOf) => {
  test('PermissionDenied alone withdraws, for only that is a judgement on the workload', () => {
    const codes = Object.values(status).filter((code): code is status => typeof code === 'number');
    expect(codes.filter((code) => verdictOf(code).identities === 'withdraw')).toEqual([status.PERMISSION_DENIED]);
  });

  test('what is our own fault is not tried again', () => {
    expect(verdictOf(status.INVALID_ARGUMENT).next).toBe('stop');
    expect(verdictOf(status.UNIMPLEMENTED).next).toBe('stop');
  });

  test.each([status.NOT_FOUND, status.INTERNAL, status.UNAVAILABLE, status.UNAUTHENTICATED, status.OK])(
    'status %d keeps what there is, and is tried again',
    (code) => {
      expect(verdictOf(code)).toMatchObject({ identities: 'keep', next: 'retry' });
    },
  );
});

test('an agent that does not know us as a delegate is told where to name us', () => {
  expect(delegatedVerdictOf(status.PERMISSION_DENIED).meaning).toContain('authorized_delegates');
});
