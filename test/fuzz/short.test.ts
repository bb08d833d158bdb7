import { expect, test } from 'vitest';
import { fuzz } from './fuzz.ts';

test('a sidecar survives three thousand attacks, serves others meanwhile, and does not grow', async () => {
  await expect(fuzz({ seed: 1, runs: 3_000 })).resolves.toMatchObject({ runs: 3_000, rotations: 12 });
}, 60_000);
