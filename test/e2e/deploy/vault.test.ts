/** deploy/integrations/vault: a real OpenBao behind a real Envoy, with a certificate and with a token. docs/integrations/vault.md. */
import { beforeAll, describe, expect, it } from 'vitest';
import { eventually } from '../../support/eventually.ts';
import { describeWithEnvoy } from '../../support/mesh/envoy.ts';
import { BACKEND } from '../../support/mesh/mesh.ts';
import { describeWithVault } from '../../support/vault/vault.ts';
import { startVaultStage, type VaultStage } from '../../support/vault/vault-stage.ts';
import { TestWorkloadApi } from '../../support/workload-api/test-workload-api.ts';

const LOGIN = 'auth/cert/login';
const ROLE = { name: 'backend' };
const PASSWORD = { data: { data: { password: 'hunter2' } } };
const REFUSED = { status: 400 };

const describeWithBoth = describeWithVault() === describe ? describeWithEnvoy() : describe.skip;

describeWithBoth('an application that reaches OpenBao through its Envoy', () => {
  let stage: VaultStage;
  beforeAll(async () => {
    stage = await startVaultStage();
    return () => stage[Symbol.asyncDispose]();
  });

  const login = () => stage.ask('certificate', 'POST', LOGIN, { data: ROLE });
  const read = (way: 'certificate' | 'token', token = '') =>
    stage.ask(way, 'GET', 'secret/data/backend', { headers: { 'x-vault-token': token } });
  /** Until Envoy has a connection with the newest certificate. */
  const loggedInAnew = () =>
    eventually('a login with the newest certificate', async () => {
      const { auth } = await login();
      const serial = BigInt(`0x${stage.workloadApi.serials().get(BACKEND)}`);
      return BigInt(auth?.metadata['serial_number'] ?? 0) === serial ? auth : undefined;
    });

  describe('with its X509-SVID', () => {
    it('logs in, and reads its secret', async () => {
      const { auth } = await login();
      expect(auth?.metadata).toMatchObject({ cert_name: 'backend', common_name: 'backend.example.org' });
      expect(await read('certificate', auth?.client_token)).toMatchObject(PASSWORD);
    });

    it('needs no login of its own where OpenBao takes one along with each request', async () => {
      const name = Buffer.from(JSON.stringify({ key: 'name', value: 'backend' })).toString('base64url');
      const headers = { 'x-vault-inline-auth-path': LOGIN, 'x-vault-inline-auth-parameter-name': name };
      expect(await stage.ask('certificate', 'GET', 'secret/data/backend', { headers })).toMatchObject(PASSWORD);
    });

    it.each([
      ['another workload', 'example.org', '/frontend'],
      ['a workload of another trust domain', 'partner.test', '/backend'],
    ])('%s is refused', async (_, trustDomain, path) => {
      const identity = await stage.workloadApi.issueForeign(trustDomain, path);
      expect(await stage.vault.ask(LOGIN, ROLE, { identity })).toMatchObject(REFUSED);
    });

    it('whoever shows no certificate is refused', async () => {
      expect(await stage.vault.ask(LOGIN, ROLE)).toMatchObject(REFUSED);
    });

    it('an SVID without a common name is refused: OpenBao makes its alias of it', async () => {
      const address = `unix://${stage.vault.caFile}.sock`;
      await using nameless = await TestWorkloadApi.start({ address, rotateEveryMs: 0 });
      const identity = await nameless.issueForeign('example.org', '/backend');
      await stage.vault.write('auth/cert/certs/nameless', { certificate: identity.bundlePem });
      const { status, errors } = await stage.vault.ask(LOGIN, { name: 'nameless' }, { identity });
      expect([status, errors]).toEqual([500, ['missing name in alias']]);
    });

    it('logs in with the next SVID after a rotation, and with that of a new authority that OpenBao knows', async () => {
      await stage.workloadApi.rotate();
      await loggedInAnew();
      await stage.workloadApi.prepareAuthority();
      await stage.trust();
      await stage.workloadApi.activateAuthority();
      await expect(loggedInAnew()).resolves.toBeDefined();
    });

    it('can renew a token after a rotation only if OpenBao does not bind it to the key of the login', async () => {
      const { client_token: token } = await loggedInAnew();
      const renewed = async () =>
        (await stage.ask('certificate', 'POST', 'auth/token/renew-self', { headers: { 'x-vault-token': token } })).status;
      expect(await renewed()).toBe(200);
      await stage.workloadApi.rotate();
      await loggedInAnew();
      expect(await renewed()).toBe(500);
      await stage.vault.write('auth/cert/config', { disable_binding: true });
      expect(await renewed()).toBe(200);
    });
  });

  describe('with a JWT-SVID', () => {
    const tokenLogin = async () => (await stage.ask('token', 'POST', 'auth/jwt/login')).auth;
    const shows = async (path: string, audience: string) => {
      const jwt = await stage.workloadApi.issueJwt(path, [audience]);
      return (await stage.vault.ask('auth/jwt/login', { role: 'backend', jwt })).status;
    };

    it('logs in without having the token, and reads its secret', async () => {
      expect(await read('token', (await tokenLogin())?.client_token)).toMatchObject(PASSWORD);
    });

    it('gets the role of Envoy, whatever it says', async () => {
      const { auth } = await stage.ask('token', 'POST', 'auth/jwt/login', { data: { role: 'admin' } });
      expect(auth?.metadata).toEqual({ role: 'backend' });
    });

    it("another workload's token, and one for another audience, are refused", async () => {
      expect([await shows('/backend', 'openbao'), await shows('/frontend', 'openbao'), await shows('/backend', 'other')]).toEqual(
        [200, 400, 400],
      );
    });

    it('logs in with a token of a new signing key, which OpenBao was not told of', async () => {
      await stage.workloadApi.prepareAuthority();
      await stage.workloadApi.activateAuthority();
      const jwt = await stage.workloadApi.issueJwt('/backend', ['openbao']);
      await eventually('a login', async () => {
        const { status } = await stage.vault.ask('auth/jwt/login', { role: 'backend', jwt });
        return status === 200 ? true : undefined;
      });
      await expect(tokenLogin()).resolves.toBeDefined();
    });

    it('goes on with an old key until OpenBao meets one that it does not know', async () => {
      const old = await stage.workloadApi.issueJwt('/backend', ['openbao']);
      const login = async (jwt: string) => (await stage.vault.ask('auth/jwt/login', { role: 'backend', jwt })).status;
      expect(await login(old)).toBe(200);
      await stage.workloadApi.rollAuthority();
      await stage.workloadApi.retireAuthority();
      await eventually('one key', async () => ((await stage.keys()) === 1 ? true : undefined));
      expect(await login(old)).toBe(200);
      expect(await login(await stage.workloadApi.issueJwt('/backend', ['openbao']))).toBe(200);
      expect(await login(old)).toBe(400);
    });
  });
});
