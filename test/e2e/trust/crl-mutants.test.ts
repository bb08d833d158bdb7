/** What the sidecar sends of CRLs that are bent out of shape, a real Envoy can use; `npm run fuzz -- crls` looks further. */
import { expect, it } from 'vitest';
import { fuzzCrls } from '../../fuzz/crls/crls.ts';
import { describeWithEnvoy, envoyVersions } from '../../support/mesh/envoy.ts';

const RUNS = 400;

for (const version of envoyVersions()) {
  describeWithEnvoy(version)(`mutants of sound CRLs, Envoy ${version ?? 'as found'}`, () => {
    it('are left out, or let good peers in and revoked ones not', async () => {
      const { faults, sent, leftOut } = await fuzzCrls({ seed: 1, runs: RUNS, version });
      console.info(`${RUNS} mutants of CRLs: ${sent} sent, ${leftOut} left out, ${faults.length} faults`);
      expect(faults).toEqual([]);
      // Were all of them left out, this would say nothing.
      expect(sent).toBeGreaterThan(RUNS / 10);
    });
  });
}
