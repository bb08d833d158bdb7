/** JWT-SVID specification, sections 2 – 4. */
import { describe, expect, test } from 'vitest';
import { createJwtAuthority, issueJwtSvid } from '../../../../src/dev/jwt.ts';
import { checkJwtSvid, parseJwtSvid, verifyJwtSvid } from '../../../../src/spiffe/jwt/jwt-svid.ts';
import { parseSpiffeId, type TrustDomain } from '../../../../src/spiffe/spiffe-id.ts';
import { authority, BUNDLE, CLAIMS, oddToken, TRUST_DOMAIN, tokenWith, unsigned, WEB } from '../../../support/secrets/tokens.ts';
import { HOUR, NOW } from '../../../support/x509/certificates.ts';

const bundleOf = (trustDomain: TrustDomain) => (trustDomain === TRUST_DOMAIN ? BUNDLE : undefined);
const verified = (token: string, audience = 'payments', now = NOW) => verifyJwtSvid(token, audience, bundleOf, now);

describe('parsing', () => {
  test('tells who it is for, for whom, and until when', async () => {
    expect(parseJwtSvid(await tokenWith())).toMatchObject({
      id: WEB,
      audience: ['payments'],
      issuedAt: NOW,
      expiresAt: NOW + HOUR,
      header: { alg: 'ES256', typ: 'JWT' },
    });
  });

  test('an audience may be a text or a list', async () => {
    expect(parseJwtSvid(await oddToken({ aud: 'one' })).audience).toEqual(['one']);
    expect(parseJwtSvid(await oddToken({ aud: ['one', 'two'] })).audience).toEqual(['one', 'two']);
  });

  test.each([undefined, 'JWT', 'JOSE'])('takes the typ %s', async (typ) => {
    expect(parseJwtSvid(await oddToken({}, typ === undefined ? {} : { typ })).id).toBe(WEB);
  });

  test.each([
    ['another typ', { typ: 'at+jwt' }, {}, 'its typ is "at+jwt"'],
    ['no signature', { alg: 'none' }, {}, 'its alg is "none"'],
    ['a shared secret', { alg: 'HS256' }, {}, 'its alg is "HS256"'],
    ['EdDSA', { alg: 'EdDSA' }, {}, 'its alg is "EdDSA"'],
    ['no sub', {}, { sub: undefined }, 'it has no sub'],
    ['a sub that is no SPIFFE ID', {}, { sub: 'https://example.org/web' }, 'its sub is not a SPIFFE ID'],
    ['no aud', {}, { aud: undefined }, 'it has no aud'],
    ['an empty aud', {}, { aud: [] }, 'it has no aud'],
    ['an aud of numbers', {}, { aud: [1] }, 'it has no aud'],
    ['no exp', {}, { exp: undefined }, 'it has no exp'],
    ['an exp that is a text', {}, { exp: '2030' }, 'it has no exp'],
  ])('refuses %s', (_, header, claims, reason) => {
    const token = unsigned({ alg: 'ES256', ...header }, { sub: WEB, aud: 'payments', exp: NOW / 1000, ...claims });
    expect(() => parseJwtSvid(token)).toThrow(reason);
  });

  test.each(['', 'abc', 'a.b', 'a.b.', 'a.b.c.d', 'a.b.c\n', 'a.b.c\r\nx-admin: 1'])(
    'refuses %j, which is no JWS in compact serialisation',
    (text) => {
      expect(() => parseJwtSvid(text)).toThrow('no JWS in compact serialisation');
    },
  );

  test('refuses what is no JSON, and does not quote it', () => {
    const token = `${Buffer.from('not JSON').toString('base64url')}.e30.c2ln`;
    expect(() => parseJwtSvid(token)).toThrow(
      /^not a JWT-SVID that can be used: its header or its claims are no JSON object in base64url$/,
    );
  });

  test('refuses a token that is too long for a header', () => {
    expect(() => parseJwtSvid(`a.${'b'.repeat(20_000)}.c`)).toThrow('more than 16384');
  });
});

describe('before it goes out', () => {
  const expected = { id: WEB, audience: ['payments'] };

  test('a good token passes', async () => {
    expect(checkJwtSvid(await tokenWith(), expected, NOW).id).toBe(WEB);
  });

  test.each([
    ['of somebody else', { spiffeId: parseSpiffeId('spiffe://example.org/db') }, 'its sub is spiffe://example.org/db'],
    ['for another audience', { audience: ['orders'] }, 'its aud lacks "payments"'],
    ['that has expired', { expiresAt: NOW }, 'it has expired at'],
  ])('a token %s does not', async (_, claims, reason) => {
    const token = await tokenWith(claims);
    expect(() => checkJwtSvid(token, expected, NOW)).toThrow(reason);
  });

  test('all audiences must be there', async () => {
    const token = await tokenWith({ audience: ['payments', 'orders'] });
    expect(() => checkJwtSvid(token, { id: WEB, audience: ['orders', 'stock'] }, NOW)).toThrow('lacks "stock"');
  });
});

describe('verification', () => {
  test('a token holds until it expires', async () => {
    await expect(verified(await tokenWith(), 'payments', NOW + HOUR - 1000)).resolves.toMatchObject({ id: WEB });
    await expect(verified(await tokenWith(), 'payments', NOW + HOUR + 1000)).rejects.toMatchObject({ code: 'svid_invalid' });
  });

  test('a token for another audience is refused', async () => {
    await expect(verified(await tokenWith(), 'orders')).rejects.toThrow('aud');
  });

  test('a token of a trust domain without a bundle is refused', async () => {
    const token = await tokenWith({ spiffeId: parseSpiffeId('spiffe://partner.test/web') });
    await expect(verified(token)).rejects.toThrow('no JWT bundle of partner.test');
  });

  test('keys of one trust domain say nothing of another', async () => {
    const partner = await createJwtAuthority();
    const token = await issueJwtSvid(partner, CLAIMS);
    await expect(verified(token)).rejects.toMatchObject({ code: 'svid_invalid' });
  });

  test('another key under the same kid is refused', async () => {
    const other = await createJwtAuthority();
    const forged = { ...other, publicKey: { ...other.publicKey, kid: authority.publicKey.kid } };
    await expect(verified(await issueJwtSvid(forged, CLAIMS))).rejects.toThrow('signature');
  });

  test('the error holds neither the token nor its claims', async () => {
    const token = await tokenWith();
    const error = await verified(token, 'orders').catch((thrown: Error) => thrown);
    const text = JSON.stringify(error, Object.getOwnPropertyNames(error));
    for (const part of token.split('.')) expect(text).not.toContain(part);
  });
});
