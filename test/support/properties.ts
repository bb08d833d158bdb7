/**
 * fast-check with the same seed in each run, so that a failure is of the change that is tested. With `PROPERTY_SEED=… PROPERTY_RUNS=…` one
 * searches on.
 */
import fc from 'fast-check';

fc.configureGlobal({ seed: Number(process.env['PROPERTY_SEED'] ?? 4242) });

/** How often a property is tried: `usual` times unless PROPERTY_RUNS says otherwise. */
export function runs(usual: number): { readonly numRuns: number } {
  return { numRuns: Number(process.env['PROPERTY_RUNS'] ?? usual) };
}

export { fc };
