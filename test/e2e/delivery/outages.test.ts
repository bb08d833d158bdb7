/** The short form of `npm run outages`, whose times stand in docs/high-availability.md. */
import { expect, it } from 'vitest';
import { SHORT_OUTAGES } from '../../outages/outages.ts';
import { describeWithEnvoy } from '../../support/mesh/envoy.ts';

const isRoot = process.getuid?.() === 0;
if (!isRoot) console.warn('SKIPPED: the outages of node mode need root, to be several users');
const possible = SHORT_OUTAGES.filter(({ mode }) => isRoot || mode === 'sidecar');

describeWithEnvoy()('two Envoys', () => {
  it.each(possible.filter(({ loses }) => !loses))('$mode: $name, and no request is lost', async ({ run }) => {
    expect(await run()).toMatchObject({ lost: 0 });
  });

  it.each(possible.filter(({ loses }) => loses))('$mode: $name, and they recover', async ({ run }) => {
    expect((await run()).lost).toBeGreaterThan(0);
  });
});
