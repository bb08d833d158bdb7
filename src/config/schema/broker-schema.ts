/** The schema of `broker`: who says what the workloads of a node may have. For the form of messages see schema.ts. */
import * as z from 'zod';
import { type Endpoint, formatEndpoint, parseEndpoint } from '../../endpoint.ts';
import { parseTrustDomain } from '../../spiffe/spiffe-id.ts';
import { textCodec } from '../values/codec.ts';
import { described } from './described.ts';

const COUNT = 'a whole number from 1';
const count = z.int(COUNT).min(1, COUNT);

const brokerEndpoint = textCodec<Endpoint>((text) => parseEndpoint(text, { names: true }), formatEndpoint);
const serverId = textCodec<string>(parseServerId, (pattern) => pattern);

export const brokerSettings = z
  .strictObject({
    address: described(brokerEndpoint.optional(), {
      description:
        'Where the Broker endpoint is: unix:///absolute/path or tcp://HOST:PORT, where HOST may be a DNS name. With backend: delegated_identity: the admin socket of the agent. Node mode needs it; there is no default.',
      title: 'address',
      pattern: '^(unix|tcp):/',
      examples: ['unix:///run/spire/broker/broker.sock'],
    }),
    backend: described(z.enum(['broker', 'delegated_identity']).default('broker'), {
      description:
        'What is spoken there. broker: the SPIFFE Broker API. delegated_identity: the Delegated Identity API of SPIRE, for agents without the Broker API; it knows processes only, and no server_id.',
    }),
    server_id: described(serverId.optional(), {
      description:
        'The SPIFFE ID that the broker must have. In a pattern, * stands for any number of any characters after the trust domain. Default: any /spire/agent/… of the own trust domain.',
      title: 'SPIFFE ID pattern',
      examples: ['spiffe://example.org/spire/agent/*'],
    }),
    reference: described(z.enum(['pid', 'pod']).default('pid'), {
      description:
        'How a workload is named to the broker. pid: its process. pod: the pod of its process, by the uid that Kubernetes gave it.',
    }),
    limits: described(
      z
        .strictObject({
          workloads: described(count.default(1024), {
            description: 'Workloads at a time. A call of one more is ended with RESOURCE_EXHAUSTED.',
          }),
          workloads_per_uid: described(count.default(256), { description: 'Of those, the workloads of one user.' }),
          attestations_per_second: described(count.default(100), {
            description: 'Streams that are opened to the broker in a second. More wait, and the users take turns.',
          }),
        })
        .readonly()
        .prefault({}),
      { description: 'How much the workloads of a node may take.' },
    ),
  })
  .readonly();

export const nodeSettings = z
  .strictObject({
    allow_without_pidfd: described(z.boolean().default(false), {
      description:
        'Whether node mode starts on a kernel without SO_PEERPIDFD (before Linux 6.5). The process that has the pid of a peer when its connection is accepted is then taken for the peer, if it runs as the same user. docs/node.md says what that is worth.',
    }),
  })
  .readonly();

function parseServerId(text: string): string {
  const [, trustDomain, path] = /^spiffe:\/\/([^/]*)(\/.*)?$/.exec(text) ?? [];
  if (trustDomain === undefined || path === undefined)
    throw new Error(`${JSON.stringify(text)} is not a SPIFFE ID with a path: write spiffe://example.org/spire/agent/*`);
  parseTrustDomain(trustDomain);
  return text;
}
