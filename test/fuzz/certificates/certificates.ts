/** Certificates with something odd about them: what the sidecar would let through, and what real Envoys take. */
import { generateKeyPairSync } from 'node:crypto';
import { formProblem } from '../../../src/envoy/certificate-form.ts';
import { CertificateReader } from '../../../src/spiffe/certificate-reader.ts';
import { buildCertificate } from '../../support/x509/certificate-builder.ts';
import { Random } from '../random.ts';
import { EnvoyJudge, type GoodIdentity, type Place } from './envoy-judge.ts';
import { type Mutant, mutantOf } from './mutations.ts';
import { baseShapes } from './shapes.ts';

export interface CertificateFuzzOptions {
  /** The same seed makes the same mutations; the keys are others each time. */
  readonly seed: number;
  readonly runs: number;
  /** One Envoy each; undefined: whatever Envoy is found. */
  readonly envoys: readonly (string | undefined)[];
  readonly progress?: (done: number) => void;
}

/** A certificate that Envoy refuses and the sidecar does not: it would take all that comes with it along. */
export interface Disagreement {
  readonly kinds: string;
  readonly envoy: string;
  readonly place: Place;
  readonly reason: string;
  readonly der: string;
}

export interface CertificateFuzzReport {
  readonly mutants: number;
  readonly passed: number;
  /** By why the sidecar leaves them out: how many, and how many of them every Envoy takes. */
  readonly leftOut: ReadonlyMap<string, LeftOut>;
  readonly disagreements: readonly Disagreement[];
  /** Certificates with nothing odd about them that the sidecar leaves out and every Envoy takes. */
  readonly needless: readonly string[];
}

export interface LeftOut {
  count: number;
  needless: number;
  /** By what was done to them: how many of the needless ones. */
  readonly kinds: Map<string, number>;
  /** The last needless one, base64. */
  example: string;
}

const BATCH = 500;

export async function fuzzCertificates({ seed, runs, envoys, progress }: CertificateFuzzOptions): Promise<CertificateFuzzReport> {
  await using parts = new AsyncDisposableStack();
  const good = goodIdentity();
  const judges: EnvoyJudge[] = [];
  for (const version of envoys) judges.push(parts.use(await EnvoyJudge.start(good, version)));
  const shapes = await baseShapes();
  const reader = new CertificateReader();
  const leftOut = new Map<string, LeftOut>();
  const disagreements: Disagreement[] = [];
  const judge = async (mutants: readonly Mutant[]) => {
    const verdicts = mutants.map((mutant) => ({ ...mutant, problem: problemOf(mutant.der, reader) }));
    const byDer = new Map(mutants.map(({ der, kinds }) => [der as Uint8Array, kinds.join(' + ')]));
    const passed = verdicts.filter(({ problem }) => problem === undefined).map(({ der }) => der);
    const refused = await Promise.all(judges.map((envoy) => envoy.refusals(passed)));
    for (const [index, refusals] of refused.entries())
      for (const { der, place, reason } of refusals) {
        const kinds = byDer.get(der) ?? '';
        const envoy = envoys[index] ?? 'as found';
        disagreements.push({ kinds, envoy, place, reason, der: Buffer.from(der).toString('base64') });
      }
    const needless = new Set(
      await acceptedByAll(
        judges,
        verdicts.filter(({ problem }) => problem !== undefined).map(({ der }) => der),
      ),
    );
    for (const { der, kinds, problem } of verdicts)
      if (problem !== undefined) count(leftOut, problem, kinds, needless.has(der) ? der : undefined);
    return { passed: passed.length, needless };
  };
  const sound = await judge(shapes.map(({ name, der }) => ({ der, kinds: [name] })));
  let passed = 0;
  for (let from = 0; from < runs; from += BATCH) {
    const random = new Random(seed + from / BATCH);
    const mutants = Array.from({ length: Math.min(BATCH, runs - from) }, () => mutantOf(random.of(shapes).der, random));
    passed += (await judge(mutants)).passed;
    for (const envoy of judges) await envoy.oracle.verify();
    reader.nextGeneration();
    progress?.(from + mutants.length);
  }
  const needless = shapes.filter(({ der }) => sound.needless.has(der)).map(({ name }) => name);
  return { mutants: runs, passed, leftOut, disagreements, needless };
}

export function goodIdentity(): GoodIdentity {
  const keys = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  return {
    authority: buildCertificate({}, keys),
    leaf: buildCertificate({ extensions: [] }, keys),
    privateKey: keys.privateKey.export({ type: 'pkcs8', format: 'der' }),
  };
}

/** Why the sidecar leaves it out, without what is another in each; undefined: it does not. */
function problemOf(der: Uint8Array, reader: CertificateReader): string | undefined {
  const { certificates, unreadable } = reader.readAll(der);
  const [certificate] = certificates;
  const [first] = unreadable;
  const problem = first?.reason ?? (certificate === undefined ? 'there is none' : formProblem(certificate));
  return problem?.replace(/\d+/g, 'N');
}

/** One after the other: few are left for the second. */
async function acceptedByAll(judges: readonly EnvoyJudge[], ders: readonly Uint8Array[]): Promise<readonly Uint8Array[]> {
  let left = ders;
  for (const judge of judges) left = await judge.accepted(left, 'trusted_ca');
  return left;
}

function count(counts: Map<string, LeftOut>, problem: string, kinds: readonly string[], needless: Uint8Array | undefined): void {
  const known: LeftOut = counts.get(problem) ?? { count: 0, needless: 0, kinds: new Map(), example: '' };
  counts.set(problem, known);
  known.count += 1;
  if (needless === undefined) return;
  known.needless += 1;
  known.example = Buffer.from(needless).toString('base64');
  const kind = kinds.join(' + ');
  known.kinds.set(kind, (known.kinds.get(kind) ?? 0) + 1);
}
