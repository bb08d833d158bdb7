/** Validation contexts: Envoy's SPIFFE validator, plain authorities, and never one that trusts everybody. */
import { X509Certificate } from 'node:crypto';
import { expect } from 'vitest';
import type { Node, Secret } from '../../../src/gen/messages.ts';
import type { Input } from '../../../src/wire/wire.ts';
import { authoritiesOf, certificatesOf, secretOf, TRUST_DOMAIN, textOf, trustDomainsOf, validatorOf } from '../read.ts';
import type { Row, Target } from '../row.ts';

const VALIDATOR_CONFIG = 'type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.SPIFFECertValidatorConfig';
const FEDERATED = { federated: ['partner.test', 'another.test'] };

async function contextOf({ client }: Target, name: string, node: Input<Node> = {}): Promise<Secret> {
  return secretOf(await client.stream().request([name], { node }).next(), name);
}

const forms: readonly Row[] = (
  [
    ['true', { bool_value: true }, 'plain'],
    ['"true"', { string_value: 'true' }, 'plain'],
    ['false', { bool_value: false }, 'validator'],
    ['"false"', { string_value: 'false' }, 'validator'],
    ['"yes"', { string_value: 'yes' }, 'validator'],
    ['1', { number_value: 1 }, 'validator'],
  ] as const
).map(([value, field, form]) => ({
  rule: `disable_spiffe_cert_validation: ${value} in the node's metadata makes it ${form}`,
  fact: 37,
  needs: 'source',
  async run(source) {
    const secret = await contextOf(source, 'ROOTCA', { metadata: { fields: { disable_spiffe_cert_validation: field } } });
    expect(validatorOf(secret) === undefined ? 'plain' : 'validator').toBe(form);
  },
}));

export const validation: readonly Row[] = [
  {
    rule: 'trusts somebody, and not everybody',
    fact: 26,
    needs: 'nothing',
    async run(target) {
      expect(authoritiesOf(await contextOf(target, target.bundle)).length).toBeGreaterThan(0);
    },
  },
  {
    rule: 'has authorities that are CAs, in PEM',
    fact: 27,
    needs: 'nothing',
    async run(target) {
      const authorities = authoritiesOf(await contextOf(target, target.bundle));
      expect(authorities.map(({ ca }) => ca)).toEqual(authorities.map(() => true));
    },
  },
  {
    rule: 'brings no matchers, which would widen those that the operator wrote',
    fact: 31,
    needs: 'nothing',
    async run(target) {
      const { validation_context } = await contextOf(target, target.bundle);
      expect(validation_context?.match_typed_subject_alt_names).toEqual([]);
    },
  },
  {
    rule: "is Envoy's SPIFFE validator, by its name and type",
    fact: 27,
    needs: 'source',
    async run(source) {
      const { validation_context } = await contextOf(source, 'ROOTCA');
      expect(validation_context?.custom_validator_config).toMatchObject({
        name: 'envoy.tls.cert_validator.spiffe',
        typed_config: { type_url: VALIDATOR_CONFIG },
      });
    },
  },
  {
    rule: 'with the SPIFFE validator has no trusted_ca beside it',
    fact: 27,
    needs: 'source',
    async run(source) {
      expect((await contextOf(source, 'ROOTCA')).validation_context?.trusted_ca).toBeNull();
    },
  },
  {
    rule: 'names a trust domain without spiffe://',
    fact: 27,
    needs: 'source',
    async run(source) {
      expect(trustDomainsOf(await contextOf(source, TRUST_DOMAIN))).toEqual(['example.org']);
    },
  },
  {
    rule: 'of a federated trust domain trusts that one only',
    fact: 30,
    needs: 'source',
    workload: FEDERATED,
    async run(source) {
      expect(trustDomainsOf(await contextOf(source, 'spiffe://partner.test'))).toEqual(['partner.test']);
    },
  },
  {
    rule: 'ALL has every trust domain once, in order, with authorities of its own',
    fact: 30,
    needs: 'source',
    workload: FEDERATED,
    async run(source) {
      const config = validatorOf(await contextOf(source, 'ALL'));
      expect(config?.trust_domains.map(({ name }) => name)).toEqual(['another.test', 'example.org', 'partner.test']);
      expect(new Set(config?.trust_domains.map(({ trust_bundle }) => textOf(trust_bundle))).size).toBe(3);
    },
  },
  {
    rule: 'ROOTCA leaves federated trust domains out',
    fact: 30,
    needs: 'source',
    workload: FEDERATED,
    async run(source) {
      expect(trustDomainsOf(await contextOf(source, 'ROOTCA'))).toEqual(['example.org']);
    },
  },
  {
    rule: 'has a new federated trust domain as soon as there is one',
    fact: 30,
    needs: 'source',
    async run({ client, workloadApi }) {
      const stream = client.stream().request(['ALL']);
      await stream.accept();
      await workloadApi.federate('late.test');
      expect(trustDomainsOf(secretOf(await stream.next(), 'ALL'))).toEqual(['example.org', 'late.test']);
    },
  },
  {
    rule: 'leaves out a federated bundle that is broken, and keeps the others',
    fact: 27,
    needs: 'source',
    workload: FEDERATED,
    async run({ client, workloadApi }) {
      const stream = client.stream().request(['ALL']);
      await stream.accept();
      workloadApi.send((response) => ({
        ...response,
        federated_bundles: {
          ...response.federated_bundles,
          'spiffe://broken.test': Buffer.from('broken'),
          'spiffe://third.test': response.federated_bundles['spiffe://partner.test'] ?? Buffer.of(),
        },
      }));
      const served = trustDomainsOf(secretOf(await stream.next(), 'ALL'));
      expect(served).toEqual(['another.test', 'example.org', 'partner.test', 'third.test']);
    },
  },
  {
    rule: 'is not replaced by an empty one when the own bundle is empty',
    fact: 26,
    needs: 'source',
    async run({ client, workloadApi, after, silent }) {
      const stream = client.stream().request(['ROOTCA']);
      await stream.accept();
      const emptied = () =>
        workloadApi.send((response) => ({
          ...response,
          svids: response.svids.map((svid) => ({ ...svid, bundle: new Uint8Array() })),
        }));
      await after(emptied, 'context_discarded');
      await silent(stream);
    },
  },
  {
    rule: 'that is withdrawn is replaced by one that trusts nobody',
    fact: 32,
    needs: 'source',
    workload: FEDERATED,
    async run({ client, workloadApi }) {
      const { bundlePem } = await workloadApi.issueForeign('partner.test', '/peer');
      const { fingerprint256 } = new X509Certificate(bundlePem);
      const stream = client.stream().request(['spiffe://partner.test']);
      await stream.accept();
      await workloadApi.unfederate('partner.test');
      const secret = secretOf(await stream.next(), 'spiffe://partner.test');
      expect(trustDomainsOf(secret)).toEqual(['partner.test']);
      expect(authoritiesOf(secret)).toHaveLength(1);
      expect(authoritiesOf(secret)[0]?.fingerprint256).not.toBe(fingerprint256);
    },
  },
  {
    rule: 'in plain form has the authorities and no validator',
    fact: 27,
    needs: 'source',
    config: 'validation: { mode: trusted_ca }',
    async run(source) {
      const { validation_context } = await contextOf(source, 'ROOTCA');
      expect(certificatesOf(validation_context?.trusted_ca)).toHaveLength(1);
      expect(validation_context?.custom_validator_config).toBeNull();
    },
  },
  {
    rule: 'in plain form never joins several trust domains: ALL is held',
    fact: 30,
    needs: 'source',
    workload: FEDERATED,
    config: 'validation: { mode: trusted_ca }',
    async run({ client, silent }) {
      await silent(client.stream().request(['ALL']));
    },
  },
  ...forms,
  {
    rule: 'for an Envoy that has no SPIFFE validator is plain',
    fact: 37,
    needs: 'source',
    async run(source) {
      const version = { major_number: 1, minor_number: 17, patch: 4 };
      const node = { user_agent_name: 'envoy', user_agent_build_version: { version } };
      expect(validatorOf(await contextOf(source, 'ROOTCA', node))).toBeUndefined();
    },
  },
  {
    rule: "for one Envoy in plain form is another's validator all the same",
    fact: 37,
    needs: 'source',
    async run(source) {
      await contextOf(source, 'ROOTCA', { metadata: { fields: { disable_spiffe_cert_validation: { bool_value: true } } } });
      expect(validatorOf(await contextOf(source, 'ROOTCA'))).toBeDefined();
    },
  },
];
