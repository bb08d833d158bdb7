/** `npm run fuzz -- crls [--seed N --runs N]`: on every Envoy that ENVOY_VERSIONS names; tells what to repeat. */
import process from 'node:process';
import { parseArgs } from 'node:util';
import { envoyVersions } from '../../support/mesh/envoy.ts';
import { fuzzCrls } from './crls.ts';

const { values } = parseArgs({
  allowPositionals: true,
  options: {
    seed: { type: 'string', default: String(Date.now() % 1_000_000) },
    runs: { type: 'string', default: '5000' },
    // Tells also what is left out although Envoy could use it.
    'left-out': { type: 'boolean', default: false },
  },
});
const [seed, runs] = [Number(values.seed), Number(values.runs)];

for (const version of envoyVersions()) {
  process.stdout.write(`CRLs, Envoy ${version ?? 'as found'}, seed ${seed}, ${runs} runs\n`);
  const { sent, leftOut, faults, usable } = await fuzzCrls({ seed, runs, version, tryLeftOut: values['left-out'] });
  for (const fault of faults) process.stdout.write(`FAULT ${fault}\n`);
  for (const one of usable) process.stdout.write(`usable ${one}\n`);
  process.stdout.write(
    `${runs} mutants: ${sent} sent, ${leftOut} left out, ${faults.length} faults, ${usable.length} left out in vain\n`,
  );
  if (faults.length > 0) process.exitCode = 1;
}
