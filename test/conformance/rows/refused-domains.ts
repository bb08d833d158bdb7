/** A NACK that complains of the bundle of one trust domain among several. */
import { expect } from 'vitest';
import { secretsOf } from '../../support/sds/sds-client.ts';
import { trustDomainsOf, WEB } from '../read.ts';
import type { Row } from '../row.ts';

const FEDERATED = { federated: ['partner.test', 'another.test'] };
/** As Envoy says it, after what the update was of. */
const complaintOf = (trustDomain: string) => `Failed to load trusted CA certificate for ${trustDomain}`;
const edge = { node: { id: 'edge' } };

const domainsIn = (response: Parameters<typeof secretsOf>[0]) => secretsOf(response).map(trustDomainsOf);

export const refusedDomains: readonly Row[] = [
  {
    rule: 'is answered with the others: nobody stops somebody else',
    fact: 27,
    needs: 'source',
    workload: FEDERATED,
    async run({ client }) {
      const stream = client.stream().request(['ALL'], edge);
      stream.nack(await stream.next(), complaintOf('partner.test'));
      expect(domainsIn(await stream.next())).toEqual([['another.test', 'example.org']]);
    },
  },
  {
    rule: 'is answered with the others in delta, too',
    fact: 27,
    needs: 'source',
    workload: FEDERATED,
    async run({ client }) {
      const stream = client.delta().request({ ...edge, resource_names_subscribe: ['ALL'] });
      const before = await stream.next();
      stream.nack(before, complaintOf('partner.test'));
      const after = await stream.next();
      expect(after.resources.map(({ version }) => version)).not.toEqual(before.resources.map(({ version }) => version));
    },
  },
  {
    rule: 'is told as an error of that Envoy',
    fact: 27,
    needs: 'source',
    workload: FEDERATED,
    async run({ client, running }) {
      const stream = client.stream().request(['ALL'], edge);
      stream.nack(await stream.next(), complaintOf('partner.test'));
      expect(await running.event('trust_domain_left_out')).toMatchObject({ node: 'edge', trustDomain: 'partner.test' });
    },
  },
  {
    rule: 'may stand on the stream of the certificate that came after the context',
    fact: 12,
    needs: 'source',
    workload: FEDERATED,
    async run({ client }) {
      const contexts = client.stream().request(['ALL'], edge);
      contexts.ack(await contexts.next());
      const certificates = client.stream().request([WEB], edge);
      certificates.nack(await certificates.next(), complaintOf('partner.test'));
      expect(domainsIn(await contexts.next())).toEqual([['another.test', 'example.org']]);
    },
  },
  {
    rule: 'counts for that Envoy alone',
    fact: 27,
    needs: 'source',
    workload: FEDERATED,
    async run({ client, silent }) {
      const other = client.stream().request(['ALL'], { node: { id: 'other' } });
      other.ack(await other.next());
      const stream = client.stream().request(['ALL'], edge);
      stream.nack(await stream.next(), complaintOf('partner.test'));
      await stream.next();
      await silent(other);
    },
  },
  {
    rule: 'counts until that bundle changes, or was gone in between',
    fact: 27,
    needs: 'source',
    workload: FEDERATED,
    async run({ client, workloadApi, after }) {
      const stream = client.stream().request(['ALL'], edge);
      stream.nack(await stream.next(), complaintOf('partner.test'));
      stream.ack(await stream.next());
      await after(() => workloadApi.unfederate('partner.test'));
      await workloadApi.federate('partner.test');
      expect(domainsIn(await stream.next()).flat()).toContain('partner.test');
    },
  },
  {
    rule: 'leaves a context of that trust domain alone as it is',
    fact: 27,
    needs: 'source',
    workload: FEDERATED,
    async run({ client, silent }) {
      const stream = client.stream().request(['spiffe://partner.test'], edge);
      stream.nack(await stream.next(), complaintOf('partner.test'));
      await silent(stream);
    },
  },
  {
    rule: 'of a trust domain that is not known changes nothing',
    fact: 27,
    needs: 'source',
    workload: FEDERATED,
    async run({ client, silent }) {
      const stream = client.stream().request(['ALL'], edge);
      stream.nack(await stream.next(), complaintOf('nobody.test'));
      await silent(stream);
    },
  },
];
