/** The short form of `npm run chaos`. */
import { expect, it } from 'vitest';
import { chaos, SHORT } from '../../chaos/chaos.ts';
import { describeWithEnvoy } from '../../support/mesh/envoy.ts';

describeWithEnvoy()('two Envoys in bad hours', () => {
  it('lose no request and no rotation, and no key is written anywhere', { timeout: 120_000 }, async () => {
    const { lost, rows } = await chaos({ ...SHORT, seed: 1 });
    expect(lost).toEqual([]);
    const found = rows.filter(([what]) => what.endsWith('private keys in any output')).map(([, times]) => times);
    expect(found).toEqual(['0', '0']);
  });
});
