/** Requests that are cut short, or are no message at all. Protocol Buffers, "Encoding"; gRPC, "Status codes". */
import { expect } from 'vitest';
import { callWithBytes } from '../../support/sds/byte-call.ts';
import { deltaRequest, sotwRequest } from '../raw-call.ts';
import type { Row } from '../row.ts';

const SDS = '/envoy.service.secret.v3.SecretDiscoveryService';
const ADS = '/envoy.service.discovery.v3.AggregatedDiscoveryService';

const METHODS = {
  StreamSecrets: [`${SDS}/StreamSecrets`, sotwRequest],
  DeltaSecrets: [`${SDS}/DeltaSecrets`, deltaRequest],
  FetchSecrets: [`${SDS}/FetchSecrets`, sotwRequest],
  StreamAggregatedResources: [`${ADS}/StreamAggregatedResources`, sotwRequest],
  DeltaAggregatedResources: [`${ADS}/DeltaAggregatedResources`, deltaRequest],
} as const;

/** Each would be an empty request, which asks for everything, to who does not look. */
const MALFORMED = {
  'text shorter than its length': Buffer.from('0a056162', 'hex'),
  'a length of 4 GiB': Buffer.from('1affffffff0f', 'hex'),
  'a tag without its end': Buffer.from('80', 'hex'),
  'field number 0': Buffer.from('0000', 'hex'),
  'a wire type that there is not': Buffer.from('7e', 'hex'),
  'a group without end': Buffer.from('7b', 'hex'),
  'text that is no UTF-8': Buffer.from('2202c328', 'hex'),
};

export const malformed: readonly Row[] = [
  ...Object.entries(METHODS).flatMap(([name, [path, request]]) => [
    ...Object.entries(MALFORMED).map(
      ([what, bytes]): Row => ({
        rule: `${name}: a request with ${what} is refused`,
        fact: 8,
        needs: 'nothing',
        async run({ socket }) {
          const { code, responses } = await callWithBytes(socket, path, bytes);
          expect([['INTERNAL', 'INVALID_ARGUMENT'].includes(code), responses]).toEqual([true, 0]);
        },
      }),
    ),
    {
      rule: `${name}: a request that is cut short in its last field is refused`,
      fact: 8,
      needs: 'nothing',
      async run({ socket, cert }) {
        const { code, responses } = await callWithBytes(socket, path, request(cert).subarray(0, -1));
        expect([['INTERNAL', 'INVALID_ARGUMENT'].includes(code), responses]).toEqual([true, 0]);
      },
    } satisfies Row,
  ]),
];
