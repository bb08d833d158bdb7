/** Which CRLs the sidecar would send, and whether a real Envoy can use them. */
import { vetCrls } from '../../../src/envoy/crl-choice.ts';
import { messageOf } from '../../../src/error.ts';
import { CertificateReader } from '../../../src/spiffe/certificate-reader.ts';
import { derChildren } from '../../../src/spiffe/x509/der.ts';
import { pemSteps } from '../../../src/spiffe/x509/pem.ts';
import { atOnce } from '../../../src/spiffe/x509/steps.ts';
import { FORMS, RevocationStand } from '../../support/mesh/revocation-stand.ts';
import { TAG } from '../../support/x509/raw-crl.ts';
import { Random } from '../random.ts';
import { mutantOf } from './mutations.ts';
import { crlSeeds, type Seed } from './seeds.ts';

export interface CrlFuzzOptions {
  /** The same seed makes the same mutants of CRLs that are issued anew. */
  readonly seed: number;
  readonly runs: number;
  /** Of Envoy. Default: the newest. */
  readonly version?: string | undefined;
  /** Whether what is left out is tried, too. */
  readonly tryLeftOut?: boolean;
}

export interface CrlFuzzReport {
  readonly sent: number;
  readonly leftOut: number;
  /** What was sent although Envoy cannot use it: none, or a rule is to be mended. */
  readonly faults: readonly string[];
  /** What was left out although Envoy can use it, and why, if that was tried. */
  readonly usable: readonly string[];
}

const TRUST_DOMAIN = 'example.org';

export async function fuzzCrls({ seed, runs, version, tryLeftOut = false }: CrlFuzzOptions): Promise<CrlFuzzReport> {
  const seeds = await crlSeeds(Date.now());
  const [first] = seeds as readonly [Seed, ...Seed[]];
  const before = { trustDomain: TRUST_DOMAIN, authorities: [first.authority.der] as const, crls: [] };
  await using stand = await RevocationStand.start(first.good, before, version);
  const random = new Random(seed);
  const faults: string[] = [];
  const usable: string[] = [];
  let sent = 0;
  for (const sound of seeds) {
    const problem = leftOutBecause(sound, sound.crl) ?? (await misuse(stand, sound, sound.crl));
    if (problem !== undefined) faults.push(`${sound.name}: ${problem}`);
  }
  for (let run = 0; run < runs; run++) {
    const parent = random.of(seeds);
    const { crl, story } = mutantOf(parent, random);
    const reason = leftOutBecause(parent, crl);
    if (reason === undefined) {
      sent += 1;
      const problem = await misuse(stand, parent, crl);
      if (problem !== undefined) faults.push(`run ${run}: ${story}: ${problem}\n  ${crl.toString('base64').slice(0, 1200)}`);
    } else if (tryLeftOut && (await misuse(stand, parent, crl)) === undefined) {
      usable.push(`${reason} [${story}]`);
    }
  }
  return { sent, leftOut: runs - sent, faults, usable };
}

/** Why the sidecar would not send it; undefined when it would. */
function leftOutBecause({ authority }: Seed, bytes: Buffer): string | undefined {
  try {
    const crl = new CertificateReader().readCrl(bytes);
    const { crls, problem } = vetCrls([authority], [crl], Date.now());
    return crls.length === 1 ? undefined : (problem ?? 'the authority has not signed it');
  } catch (error) {
    return messageOf(error);
  }
}

/** What Envoy does with it that it should not; undefined when all is well. */
async function misuse(stand: RevocationStand, seed: Seed, der: Buffer): Promise<string | undefined> {
  const pem = atOnce(pemSteps('X509 CRL', der));
  const rejections = await stand.trust({ trustDomain: TRUST_DOMAIN, authorities: [seed.authority.der], crls: [{ der, pem }] });
  if (rejections.length > 0) return `refused: ${rejections[0]?.slice(0, 200)}`;
  const isRevoked = revokes(der, seed.revokedSerial);
  for (const form of FORMS) {
    if (!(await stand.letsIn(seed.good, form))) return `the form ${form} refuses a good peer`;
    if ((await stand.letsIn(seed.revoked, form)) === isRevoked)
      return `the form ${form} ${isRevoked ? 'lets in' : 'refuses'} ${isRevoked ? 'a revoked peer' : 'a peer who is not revoked'}`;
  }
  return undefined;
}

/**
 * As far as it can be read: whether there is an entry with this serial number. Envoy heeds no reason, not even removeFromCRL, which has no
 * place in a whole list.
 */
function revokes(crl: Buffer, serial: Uint8Array): boolean {
  try {
    const tbs = derChildren(derChildren(crl)[0]?.bytes ?? new Uint8Array());
    const entries = tbs.filter(({ tag }, index) => tag === TAG.sequence && index > 2).flatMap(({ bytes }) => derChildren(bytes));
    return entries.some(({ bytes }) => Buffer.compare(derChildren(bytes)[0]?.content ?? Buffer.alloc(0), serial) === 0);
  } catch {
    return false;
  }
}
