import { describe, expect, it } from 'vitest';
import { SpiffeSdsError } from '../../../src/error.ts';
import { parseSpiffeId, parseTrustDomain, pathOf, trustDomainId, trustDomainOf } from '../../../src/spiffe/spiffe-id.ts';

const longest = { trustDomain: 'a'.repeat(255), id: `spiffe://td/${'a'.repeat(2036)}` };

describe('parseSpiffeId', () => {
  it.each([
    ['a workload', 'spiffe://example.org/web', 'example.org', '/web'],
    ['a trust domain alone', 'spiffe://example.org', 'example.org', ''],
    ['every character that a trust domain may have', 'spiffe://az09.-_/a', 'az09.-_', '/a'],
    ['every character that a path may have', 'spiffe://td/AZaz09.-_', 'td', '/AZaz09.-_'],
    ['several segments', 'spiffe://td/ns/prod/sa/web', 'td', '/ns/prod/sa/web'],
    ['an IPv4 address as the trust domain', 'spiffe://127.0.0.1/a', '127.0.0.1', '/a'],
    ['dots in a trust domain anywhere', 'spiffe://..a../b', '..a..', '/b'],
    ['segments of three dots, or that begin with dots', 'spiffe://td/.../..a/.b', 'td', '/.../..a/.b'],
    ['a trust domain of 255 bytes', `spiffe://${longest.trustDomain}/a`, longest.trustDomain, '/a'],
    ['2048 bytes', longest.id, 'td', longest.id.slice('spiffe://td'.length)],
  ])('accepts %s', (_what, text, trustDomain, path) => {
    const id = parseSpiffeId(text);
    expect({ id, trustDomain: trustDomainOf(id), path: pathOf(id) }).toEqual({ id: text, trustDomain, path });
  });

  it.each([
    ['nothing', '', 'must begin with "spiffe://"'],
    ['no scheme', 'example.org/web', 'must begin with "spiffe://"'],
    ['another scheme', 'https://example.org/web', 'must begin with "spiffe://"'],
    ['a scheme in upper case', 'SPIFFE://example.org/web', 'must begin with "spiffe://"'],
    ['a scheme without both slashes', 'spiffe:/example.org', 'must begin with "spiffe://"'],
    ['a space before it', ' spiffe://example.org', 'must begin with "spiffe://"'],
    ['a scheme alone', 'spiffe://', 'the trust domain is empty'],
    ['no trust domain', 'spiffe:///web', 'the trust domain is empty'],
    ['a trust domain in upper case', 'spiffe://Example.org/web', '"E" in the trust domain'],
    ['a port', 'spiffe://example.org:443/web', '":" in the trust domain'],
    ['an IPv6 address', 'spiffe://[::1]/web', '"[" in the trust domain'],
    ['user information', 'spiffe://user@example.org/web', '"@" in the trust domain'],
    ['percent-encoding in the trust domain', 'spiffe://example%2eorg/web', '"%" in the trust domain'],
    ['a query after the trust domain', 'spiffe://example.org?a', '"?" in the trust domain'],
    ['a fragment after the trust domain', 'spiffe://example.org#a', '"#" in the trust domain'],
    ['a trust domain beyond ASCII', 'spiffe://exämple.org/web', '"ä" in the trust domain'],
    ['a trust domain of 256 bytes', `spiffe://${longest.trustDomain}a`, 'the trust domain is longer than 255 bytes'],
    ['a slash after the trust domain', 'spiffe://example.org/', 'the path ends with a slash'],
    ['a trailing slash', 'spiffe://example.org/web/', 'the path ends with a slash'],
    ['an empty segment', 'spiffe://example.org//web', 'the path has an empty segment'],
    ['a "." segment', 'spiffe://example.org/./web', 'the path has a "." segment'],
    ['a ".." segment', 'spiffe://example.org/a/..', 'the path has a ".." segment'],
    ['percent-encoding in the path', 'spiffe://example.org/a%20b', '"%" in the path'],
    ['a query', 'spiffe://example.org/web?a', '"?" in the path'],
    ['a fragment', 'spiffe://example.org/web#a', '"#" in the path'],
    ['a line break at the end', 'spiffe://example.org/web\n', '"\\n" in the path'],
    ['a character that is unreserved in other URIs', 'spiffe://example.org/~web', '"~" in the path'],
    ['a NUL', 'spiffe://example.org/web\0', '"\\u0000" in the path'],
    ['a path beyond ASCII', 'spiffe://example.org/wéb', '"é" in the path'],
    ['2049 bytes', `${longest.id}a`, 'longer than 2048 bytes'],
    ['2048 characters that are more bytes', `${longest.id.slice(0, -1)}é`, 'longer than 2048 bytes'],
  ])('refuses %s', (_what, text, problem) => {
    expect(() => parseSpiffeId(text)).toThrow(problem);
  });

  it('throws a SpiffeSdsError with the code spiffe_id_invalid', () => {
    expect(() => parseSpiffeId('example.org')).toThrow(
      expect.toSatisfy((error) => error instanceof SpiffeSdsError && error.code === 'spiffe_id_invalid'),
    );
  });

  it('quotes what it was given, shortened', () => {
    expect(() => parseSpiffeId(`spiffe://a\n${'b'.repeat(1000)}`)).toThrow(
      `not a SPIFFE ID: "spiffe://a\\n${'b'.repeat(189)}…": `,
    );
  });
});

describe('parseTrustDomain', () => {
  it.each([
    ['a name', 'example.org'],
    ["the trust domain's SPIFFE ID", 'spiffe://example.org'],
  ])('gives the name for %s', (_what, text) => {
    expect(parseTrustDomain(text)).toBe('example.org');
  });

  it.each([
    ['nothing', '', 'the trust domain is empty'],
    ['a scheme alone', 'spiffe://', 'the trust domain is empty'],
    ['the SPIFFE ID of a workload', 'spiffe://example.org/web', '"/" in the trust domain'],
    ['a trailing slash', 'example.org/', '"/" in the trust domain'],
    ['another scheme', 'https://example.org', '":" in the trust domain'],
    ['upper case', 'Example.org', '"E" in the trust domain'],
    ['256 bytes', 'a'.repeat(256), 'the trust domain is longer than 255 bytes'],
  ])('refuses %s', (_what, text, problem) => {
    expect(() => parseTrustDomain(text)).toThrow(problem);
  });
});

describe('trustDomainId', () => {
  it("gives the trust domain's SPIFFE ID", () => {
    expect(trustDomainId(parseTrustDomain('example.org'))).toBe('spiffe://example.org');
  });
});
