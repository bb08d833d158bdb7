/** Tokens: a caller Envoy that injects them, a callee Envoy that verifies them with the keys of the sidecar. envoy/jwt.yaml. */
import { setTimeout as delay } from 'node:timers/promises';
import { beforeAll, describe, expect, it } from 'vitest';
import { eventually } from '../../support/eventually.ts';
import { describeWithEnvoy, envoyVersions } from '../../support/mesh/envoy.ts';
import { SteadyLoad } from '../../support/mesh/steady-load.ts';
import { startTokenStage, type TokenStage } from '../../support/mesh/token-stage.ts';

const BACKEND = 'spiffe://example.org/backend';
/** Of envoy/jwt.yaml: cache_duration. */
const KEYS_ARE_KEPT_MS = 5_000;

describe.each(envoyVersions().map((version) => ({ version, name: version ?? 'as found' })))('Envoy $name', ({ version }) => {
  describeWithEnvoy(version)('envoy/jwt.yaml', () => {
    let stage: TokenStage;
    beforeAll(async () => {
      stage = await startTokenStage(version);
      return () => stage[Symbol.asyncDispose]();
    });

    const issued = (path: string, audience: readonly string[], more = {}) => stage.workloadApi.issueJwt(path, audience, more);

    it('a request has a token that the other side verifies, and its application is told who calls', async () => {
      const response = await fetch(stage.url);
      expect([response.status, response.headers.get('x-caller')]).toEqual([200, BACKEND]);
    });

    it('uses nothing that Envoy calls deprecated', () => {
      expect(stage.caller.log + stage.callee.log).not.toMatch(/^.*\[(warning|error)\].*deprecated/m);
    });

    it('a request without a token is refused', async () => {
      expect((await stage.ask({})).status).toBe(401);
    });

    it('a token for another audience is refused', async () => {
      expect(await stage.verifies(await issued('/backend', ['orders']))).toBe(403);
    });

    it('a token that has expired is refused', async () => {
      expect(await stage.verifies(await issued('/backend', ['payments'], { ttlMs: -10_000 }))).toBe(401);
    });

    it('a token of a foreign trust domain is refused', async () => {
      expect(await stage.verifies(await issued('/backend', ['payments'], { trustDomain: 'foreign.test' }))).toBe(401);
    });

    it('a token of a trust domain that our own keys do not speak for is refused, although they signed it', async () => {
      const forged = await stage.workloadApi.issueJwt('/admin', ['payments'], { as: 'partner.test' });
      expect(await stage.verifies(forged)).toBe(401);
    });

    it('a token whose signature was touched is refused', async () => {
      const token = await issued('/backend', ['payments']);
      const [header, claims, signature = ''] = token.split('.');
      const touched = `${signature.slice(0, 10)}${signature[10] === 'A' ? 'B' : 'A'}${signature.slice(11)}`;
      expect(await stage.verifies(`${header}.${claims}.${touched}`)).toBe(401);
    });

    it('a caller cannot say for itself who it is', async () => {
      const token = await issued('/web', ['payments']);
      const reply = await stage.ask({ authorization: `Bearer ${token}`, 'x-spiffe-id': 'spiffe://example.org/admin' });
      expect([reply.status, reply.caller]).toEqual([200, 'spiffe://example.org/web']);
    });

    it("what the application puts into its request's header is not sent on", async () => {
      const response = await fetch(stage.url, { headers: { authorization: 'Bearer of.an.application' } });
      expect(response.status).toBe(200);
    });
  });
});

describeWithEnvoy()('under load', () => {
  it('no request is lost when the token rotates, nor when the signing key does', { timeout: 180_000 }, async () => {
    await using stage = await startTokenStage(undefined, { jwtTtlMs: 12_000 });
    await using load = new SteadyLoad(stage.url, 2);
    const rotations = (n: number) =>
      eventually(`${n} rotations`, async () => (rotationsIn(stage) >= n ? true : undefined), 90_000);
    await rotations(2);
    // The new key is known everywhere before it signs, and the old one until its last token is over.
    await stage.workloadApi.prepareAuthority();
    await delay(2 * KEYS_ARE_KEPT_MS);
    await stage.workloadApi.activateAuthority();
    await rotations(rotationsIn(stage) + 1);
    await load.more(20);
    await stage.workloadApi.retireAuthority();
    await delay(2 * KEYS_ARE_KEPT_MS);
    await load.more(20);
    await load.stop();
    expect(load.failures).toEqual(new Map());
    expect(load.answered).toBeGreaterThan(100);
  });

  it('a trust domain whose keys are gone is not trusted any more, once what Envoy keeps is too old', {
    timeout: 90_000,
  }, async () => {
    await using stage = await startTokenStage();
    const token = await stage.workloadApi.issueJwt('/web', ['payments'], { ttlMs: 600_000 });
    expect(await stage.verifies(token)).toBe(200);
    stage.workloadApi.deny();
    await stage.sidecar.event(({ event }) => event === 'jwt_bundle_withdrawn');
    await eventually('401', async () => ((await stage.verifies(token)) === 401 ? true : undefined), 60_000);
  });
});

describeWithEnvoy()('an Envoy that fetches keys in the background (async_fetch)', () => {
  it('goes on with the keys of a trust domain that is gone: docs/authorization.md advises against it', {
    timeout: 120_000,
  }, async () => {
    const inBackground = (bootstrap: string) => bootstrap.replaceAll(/^( *)cache_duration: 5s$/gm, '$&\n$1async_fetch: {}');
    await using stage = await startTokenStage(undefined, {}, inBackground);
    const token = await stage.workloadApi.issueJwt('/web', ['payments'], { ttlMs: 600_000 });
    expect(await stage.verifies(token)).toBe(200);
    stage.workloadApi.deny();
    // Asked for again and again after what was kept has become too old.
    await stage.callee.waitForStat('http.callee.jwt_authn.jwks_fetch_failed', (count) => Number(count) >= 3);
    expect(await stage.verifies(token)).toBe(200);
  });
});

function rotationsIn({ sidecar }: TokenStage): number {
  return sidecar.log.split('"event":"token_rotated"').length - 1;
}
