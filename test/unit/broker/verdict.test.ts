import { status } from '@grpc/grpc-js';
import { expect, test } from 'vitest';
import { verdictOf } from '../../../src/broker/verdict.ts';

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
