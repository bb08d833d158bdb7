/** The schema of `workload_api`: where identities come from. For the form of messages see schema.ts. */
import * as z from 'zod';
import { type Endpoint, formatEndpoint, parseEndpoint } from '../../endpoint.ts';
import { textCodec } from '../values/codec.ts';
import { described } from './described.ts';
import { ENDPOINT } from './texts.ts';

const ADDRESS = 'Where the Workload API is: unix:///absolute/path or tcp://IP:PORT. The sidecar needs it; there is no default.';
const LIST = 'a list of at least one Workload API';
const EITHER = 'a mapping with an address, or a list of such mappings';

const endpoint = () => textCodec<Endpoint>((text) => parseEndpoint(text), formatEndpoint);
const one = z.strictObject({ address: described(endpoint().optional(), { ...ENDPOINT, description: ADDRESS }) }).readonly();
const ofList = z
  .strictObject({
    address: described(endpoint(), {
      ...ENDPOINT,
      description: 'In a list: one of several Workload APIs, the most important first.',
    }),
  })
  .readonly();

/** A mapping, or a list of such. */
export const workloadApiSettings = z.union([one, z.array(ofList).min(1, LIST).readonly()], EITHER);

type WorkloadApiSettings = z.infer<typeof workloadApiSettings>;

/** The Workload APIs that are configured, in their order. */
export function addressesOf(settings: WorkloadApiSettings): readonly Endpoint[] {
  if (isList(settings)) return settings.map(({ address }) => address);
  return settings.address === undefined ? [] : [settings.address];
}

function isList(settings: WorkloadApiSettings): settings is Extract<WorkloadApiSettings, readonly unknown[]> {
  return Array.isArray(settings);
}
