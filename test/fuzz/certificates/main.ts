/**
 * `npm run fuzz -- certificates [--seed N --runs N --envoy VERSION|all]`: holds what the sidecar makes of odd certificates against what real
 * Envoys make of them. Without a version: whatever Envoy is found.
 */
import process from 'node:process';
import { parseArgs } from 'node:util';
import { ENVOY_VERSIONS } from '../../../envoy/install.ts';
import { fuzzCertificates } from './certificates.ts';

const { values } = parseArgs({
  allowPositionals: true,
  options: {
    seed: { type: 'string', default: String(Date.now() % 1_000_000) },
    runs: { type: 'string', default: '20000' },
    envoy: { type: 'string' },
  },
});
const [seed, runs] = [Number(values.seed), Number(values.runs)];
const envoys = values.envoy === 'all' ? ENVOY_VERSIONS : [values.envoy];
const TOLD_EVERY = 5_000;
/** Of the kinds of mutation behind one reason. */
const TOLD_KINDS = 5;
const tell = (line: string) => process.stdout.write(`${line}\n`);

tell(`seed ${seed}, ${runs} mutants, Envoy ${envoys.map((version) => version ?? 'as found').join(', ')}`);
const began = performance.now();
const { mutants, passed, leftOut, disagreements, needless } = await fuzzCertificates({
  seed,
  runs,
  envoys,
  progress: (done) => done % TOLD_EVERY === 0 && tell(`${done} mutants`),
});
for (const [reason, { count, needless: taken, kinds, example }] of [...leftOut].sort(([, a], [, b]) => b.count - a.count)) {
  tell(`left out ${count}, of which every Envoy takes ${taken}: ${reason}`);
  const most = [...kinds].sort(([, a], [, b]) => b - a).slice(0, TOLD_KINDS);
  if (taken > 0) tell(`  ${most.map(([kind, count]) => `${kind} (${count})`).join(', ')}; such as ${example}`);
}
for (const name of needless) tell(`left out although nothing is odd about it: the certificate ${name}`);
for (const { kinds, envoy, place, reason, der } of disagreements)
  tell(`goes out although Envoy ${envoy} refuses it (${place}): ${kinds}: ${reason}: ${der}`);
const seconds = ((performance.now() - began) / 1000).toFixed();
tell(
  `${mutants} mutants in ${seconds} s: ${passed} passed, ${mutants - passed} left out for ${leftOut.size} reasons, disagreements ${disagreements.length + needless.length}`,
);
if (disagreements.length + needless.length > 0) process.exitCode = 1;
