import { status } from '@grpc/grpc-js';
import { describe, expect, test } from 'vitest';
import { verdictOf } from '../../../src/workload-api/verdict.ts';

const codes = Object.values(status).filter((code) => typeof code === 'number');

describe('the end of a Workload API stream', () => {
  test('withdraws identities only when permission is denied', () => {
    expect(codes.filter((code) => verdictOf(code).identities === 'withdraw')).toEqual([status.PERMISSION_DENIED]);
  });

  test('is final only when the same call can never succeed', () => {
    expect(codes.filter((code) => verdictOf(code).next === 'stop')).toEqual([status.INVALID_ARGUMENT, status.UNIMPLEMENTED]);
  });

  test('with a code that gRPC does not have is trouble on the way', () => {
    expect(verdictOf(99 as status)).toMatchObject({ identities: 'keep', next: 'retry' });
  });

  test.for([
    [status.PERMISSION_DENIED, 'registration entry'],
    [status.INVALID_ARGUMENT, 'is it a SPIFFE Workload API?'],
    [status.UNIMPLEMENTED, 'is it the right socket?'],
    [status.UNAVAILABLE, 'does the agent run'],
  ] as const)('of status %i tells an operator where to look', ([code, hint]) => {
    expect(verdictOf(code).meaning).toContain(hint);
  });
});
