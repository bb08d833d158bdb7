import { SignJWT } from 'jose';
import { expect, test } from 'vitest';
import { createJwtAuthority, issueJwtSvid, validateJwtSvid } from '../../../src/dev/jwt.ts';
import { parseSpiffeId, type TrustDomain } from '../../../src/spiffe/spiffe-id.ts';

const NOW = Date.UTC(2030, 0, 1);
const web = parseSpiffeId('spiffe://example.org/web');
const authority = await createJwtAuthority();
const jwksOf = (trustDomain: TrustDomain) => (trustDomain === 'example.org' ? { keys: [authority.publicKey] } : { keys: [] });
const claims = { spiffeId: web, audience: ['payments'], issuedAt: NOW, expiresAt: NOW + 60_000 };

test('a JWT-SVID holds until it expires', async () => {
  const token = await issueJwtSvid(authority, claims);
  await expect(validateJwtSvid(token, 'payments', jwksOf, NOW + 59_000)).resolves.toMatchObject({ spiffeId: web });
});

test('an expired JWT-SVID is not accepted', async () => {
  const token = await issueJwtSvid(authority, claims);
  await expect(validateJwtSvid(token, 'payments', jwksOf, NOW + 61_000)).rejects.toMatchObject({ code: 'svid_invalid' });
});

test('a token without an expiry is not accepted', async () => {
  const token = await new SignJWT({ sub: web, aud: 'payments' })
    .setProtectedHeader({ alg: 'ES256', kid: authority.kid })
    .sign(authority.privateKey);
  await expect(validateJwtSvid(token, 'payments', jwksOf, NOW)).rejects.toThrow('"exp"');
});

test('a token is verified with the keys of its own trust domain only', async () => {
  const token = await issueJwtSvid(authority, { ...claims, spiffeId: parseSpiffeId('spiffe://partner.test/web') });
  await expect(validateJwtSvid(token, 'payments', jwksOf, NOW)).rejects.toMatchObject({ code: 'svid_invalid' });
});

test('the error does not hold the token', async () => {
  const token = await issueJwtSvid(authority, claims);
  const error = await validateJwtSvid(token, 'orders', jwksOf, NOW).catch((thrown: Error) => thrown);
  expect(JSON.stringify(error, Object.getOwnPropertyNames(error))).not.toContain(token.split('.')[2]);
});
