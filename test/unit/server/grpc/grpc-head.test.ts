/** gRPC over HTTP/2, "Requests" and "Responses", as far as headers go. */
import { describe, expect, test } from 'vitest';
import type { Method } from '../../../../src/server/grpc/call.ts';
import { readHead } from '../../../../src/server/grpc/request-head.ts';
import { trailersOf } from '../../../../src/server/grpc/status.ts';

const method: Method = () => ({ message() {}, halfClosed() {}, closed() {} });
const METHODS = new Map([['/a.B/C', method]]);
const REQUEST = { ':method': 'POST', ':path': '/a.B/C', 'content-type': 'application/grpc', te: 'trailers' };

const head = (headers: Record<string, string>) => readHead({ ...REQUEST, ...headers }, METHODS);
const timeoutOf = (timeout: string) => {
  const read = head({ 'grpc-timeout': timeout });
  return read.kind === 'call' ? read.timeoutMs : read.headers['grpc-status'];
};

describe('a content-type', () => {
  test.each(['application/grpc', 'application/grpc+proto', 'application/grpc;x=y', 'application/grpc+proto; x=y'])(
    '%s is gRPC',
    (type) => {
      expect(head({ 'content-type': type }).kind).toBe('call');
    },
  );

  test.each(['', 'application/json', 'application/grpc+json', 'application/grpc-web', 'text/application/grpc'])(
    '"%s" is not: HTTP 415',
    (type) => {
      expect(head({ 'content-type': type })).toEqual({ kind: 'refused', headers: { ':status': '415' } });
    },
  );
});

test.each(['GET', 'PUT', 'OPTIONS'])('the HTTP method %s is refused with HTTP 405', (verb) => {
  expect(head({ ':method': verb })).toMatchObject({ headers: { ':status': '405' } });
});

test('an authority that no host has is refused: it would be kept with the stream', () => {
  expect(head({ ':authority': 'x'.repeat(600) })).toMatchObject({ headers: { ':status': '400' } });
});

test.each(['/a.B/D', '/a.B/C/', 'a.B/C', '/', '', '*'])('the path "%s" is no method: UNIMPLEMENTED', (path) => {
  expect(head({ ':path': path })).toMatchObject({ headers: { ':status': '200', 'grpc-status': '12' } });
});

describe('a grpc-encoding', () => {
  test('identity is none', () => {
    expect(head({ 'grpc-encoding': 'identity' }).kind).toBe('call');
  });

  test.each(['gzip', 'deflate', 'x-snappy', ''])('"%s" is refused with UNIMPLEMENTED, and with what is taken', (encoding) => {
    expect(head({ 'grpc-encoding': encoding })).toMatchObject({
      headers: { 'grpc-status': '12', 'grpc-accept-encoding': 'identity' },
    });
  });
});

describe('a grpc-timeout', () => {
  test.each([
    ['1H', 3_600_000],
    ['2M', 120_000],
    ['3S', 3_000],
    ['4m', 4],
    ['5u', 0.005],
    ['6n', 0.000006],
    ['99999999H', 359_999_996_400_000],
  ])('%s is %d ms', (timeout, ms) => {
    expect(timeoutOf(timeout)).toBeCloseTo(ms, 9);
  });

  test.each(['', '1', 'S', '1s', '-1S', '1.5S', '123456789S', '1S ', '1SS'])('"%s" is malformed: INTERNAL', (timeout) => {
    expect(timeoutOf(timeout)).toBe('13');
  });

  test('that is absent ends nothing', () => {
    expect(head({})).toMatchObject({ kind: 'call', timeoutMs: undefined });
  });
});

describe('a grpc-message', () => {
  test('of what succeeded is not sent', () => {
    expect(trailersOf(0, 'it was answered')).toEqual({ 'grpc-status': '0' });
  });

  test.each([
    ['plain words, and ~ too', 'plain words, and ~ too'],
    ['50 %', '50 %25'],
    ['two\nlines\r\t\0', 'two%0Alines%0D%09%00'],
    ['„ü“', '%E2%80%9E%C3%BC%E2%80%9C'],
    ['\u{1f511}', '%F0%9F%94%91'],
    ['half \ud83d', 'half %EF%BF%BD'],
  ])('%j is percent-encoded', (details, encoded) => {
    expect(trailersOf(5, details)).toEqual({ 'grpc-status': '5', 'grpc-message': encoded });
  });

  test('is short: it travels in headers', () => {
    expect(trailersOf(5, 'x'.repeat(100_000))['grpc-message']?.length).toBeLessThan(5_000);
  });
});
