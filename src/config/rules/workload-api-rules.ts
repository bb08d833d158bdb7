/** The rule for `workload_api` that compares values of a list. */
import { formatEndpoint } from '../../endpoint.ts';
import type { Configuration } from '../schema/schema.ts';
import { addressesOf } from '../schema/workload-api-schema.ts';
import type { Issue } from './problems.ts';

/** One Workload API that is listed twice would be asked twice for the same. */
export function workloadApiProblems({ workload_api }: Configuration): readonly Issue[] {
  const addresses = addressesOf(workload_api).map(formatEndpoint);
  return addresses.flatMap((address, place) => {
    if (addresses.indexOf(address) === place) return [];
    const message = `${address} is listed before: name each Workload API once`;
    return [{ code: 'custom', path: ['workload_api', place, 'address'], message } as const];
  });
}
