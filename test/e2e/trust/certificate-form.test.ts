/** Whether a real Envoy and the sidecar are of one mind on which certificates can be read, and which are authorities. */
import { generateKeyPairSync } from 'node:crypto';
import { once } from 'node:events';
import { connect } from 'node:tls';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { validationContext } from '../../../src/secrets/validation-context.ts';
import { CertificateReader } from '../../../src/spiffe/certificate-reader.ts';
import { pemEncode } from '../../../src/spiffe/x509/pem.ts';
import { fuzzCertificates, goodIdentity } from '../../fuzz/certificates/certificates.ts';
import { EnvoyJudge, PLACES } from '../../fuzz/certificates/envoy-judge.ts';
import { describeWithEnvoy, envoyVersions } from '../../support/mesh/envoy.ts';
import {
  BASIC_CONSTRAINTS,
  buildCertificate,
  type CertificateParts,
  commonName,
  extension,
  name,
  subjectAltName,
  uri,
} from '../../support/x509/certificate-builder.ts';
import { bitString, context, integer, sequence } from '../../support/x509/der-writer.ts';
import { REFUSED_FORMS } from '../../support/x509/refused-forms.ts';

describeWithEnvoy()('certificates with something odd about them', () => {
  it('go out only if Envoy takes them, and the usual ones always', async () => {
    const { disagreements, needless } = await fuzzCertificates({ seed: 1, runs: 2_000, envoys: [undefined] });
    expect({ disagreements, needless }).toEqual({ disagreements: [], needless: [] });
  });

  it('make Envoy refuse a whole bundle or chain, where they are of a form that is left out', async () => {
    await using judge = await EnvoyJudge.start(goodIdentity());
    const refusals = await judge.refusals(REFUSED_FORMS.map(({ der }) => der));
    const refused = REFUSED_FORMS.map((form) => ({ form, places: refusals.filter(({ der }) => der === form.der).length }));
    expect(refused.filter(({ places }) => places < PLACES.length)).toEqual([]);
  });
});

describe.each(envoyVersions().map((version) => ({ version, found: version ?? 'as found' })))('Envoy $found', ({ version }) => {
  describeWithEnvoy(version)('verifies a chain with a root', () => {
    let judge: EnvoyJudge;
    beforeAll(async () => {
      judge = await EnvoyJudge.start(goodIdentity(), version);
    });
    afterAll(() => judge[Symbol.asyncDispose]());

    const roots: readonly (readonly [string, CertificateParts])[] = [
      ['of version 1', { version: undefined, extensions: undefined }],
      ['of version 2', { version: context(0, integer(1)), extensions: undefined }],
      ['without key usage', { extensions: [BASIC_CONSTRAINTS] }],
    ];
    const cases = (['spiffe', 'trusted_ca'] as const).flatMap((form) => roots.map(([what, parts]) => ({ form, what, parts })));

    it.each(cases)('$what as $form', async ({ form, parts }) => {
      const root = buildCertificate(parts, keys);
      await trust(judge, form, root);
      expect(new CertificateReader().readAll(root).certificates).toEqual([expect.objectContaining({ isCa: true })]);
      await expect(welcome(judge, form)).resolves.toBe('welcome');
    });

    it.each(cases.filter(({ form, what }) => form === 'spiffe' && what !== 'without key usage'))(
      '$what as $form only if it is self-issued',
      async ({ form, parts }) => {
        const root = buildCertificate({ ...parts, issuer: name(commonName('another')) }, keys);
        await trust(judge, form, root);
        expect(new CertificateReader().readAll(root).certificates).toEqual([expect.objectContaining({ isCa: false })]);
        await expect(welcome(judge, form)).rejects.toThrow();
      },
    );
  });
});

const keys = generateKeyPairSync('ec', { namedCurve: 'P-256' });
const leafKeys = generateKeyPairSync('ec', { namedCurve: 'P-256' });
const DIGITAL_SIGNATURE = extension('2.5.29.15', bitString(Uint8Array.of(0x80), 7), true);
const leaf = buildCertificate(
  {
    subject: sequence(),
    publicKey: leafKeys.publicKey.export({ type: 'spki', format: 'der' }),
    extensions: [DIGITAL_SIGNATURE, subjectAltName(uri('spiffe://example.org/web'))],
  },
  keys,
);

async function trust(judge: EnvoyJudge, form: 'spiffe' | 'trusted_ca', root: Uint8Array): Promise<void> {
  const content = validationContext([{ trustDomain: 'example.org', authorities: [root], crls: [] }], form, [
    { prefix: 'spiffe://' },
  ]);
  await expect(judge.oracle.ask(form, content)).resolves.toBeUndefined();
}

/** What Envoy echoes to the leaf. A connection that comes after the ACK meets the new trust. */
async function welcome(judge: EnvoyJudge, form: string): Promise<string> {
  const socket = connect({
    host: '127.0.0.1',
    port: await judge.oracle.envoy.port(form),
    rejectUnauthorized: false,
    cert: pemEncode('CERTIFICATE', [leaf]).toString(),
    key: pemEncode('PRIVATE KEY', [leafKeys.privateKey.export({ type: 'pkcs8', format: 'der' })]).toString(),
  });
  try {
    socket.write('welcome');
    const closed = once(socket, 'close').then(() => Promise.reject(new Error('Envoy closed the connection')));
    const [echo] = (await Promise.race([once(socket, 'data'), closed])) as [Buffer];
    return echo.toString();
  } finally {
    socket.destroy();
  }
}
