/** What docs/troubleshooting.md shows of the log stands there word for word. */
import { readFile } from 'node:fs/promises';
import { expect, test } from 'vitest';
import { bundleWarning } from '../../src/envoy/authorities.ts';
import type { Event } from '../../src/events.ts';
import { CertificateReader } from '../../src/spiffe/certificate-reader.ts';
import { parseSpiffeId, parseTrustDomain } from '../../src/spiffe/spiffe-id.ts';
import { sentence } from '../../src/telemetry/log/sentence.ts';
import { issueAuthority } from '../support/x509/certificates.ts';

const id = parseSpiffeId('spiffe://example.org/web');
const trustDomain = parseTrustDomain('partner.test');
const from = Date.parse('2026-11-25T12:00:30.000Z');
const stream = { stream: 1, method: 'sotw', node: 'edge', peer: { connection: 1 } } as const;

const root = await issueAuthority();
const intermediate = await issueAuthority({ name: 'intermediate', issuer: root });
const warning = bundleWarning(new CertificateReader().readAll(intermediate.der).certificates) ?? '';

test.for<[string, Event]>([
  [
    'a certificate whose time has not come',
    { type: 'svid_not_yet_valid', id, serial: '1A7E', from, inMs: 30_000, meanwhile: 'the one before' },
  ],
  [
    'a certificate that is left out',
    { type: 'certificate_left_out', of: 'spiffe://partner.test', subject: 'CN=old root', reason: 'it is not a CA certificate' },
  ],
  ['a bundle without a root', { type: 'bundle_updated', trustDomain, authorities: 1, notAfter: from, warning }],
  ['a bundle that an Envoy refuses', { type: 'trust_domain_left_out', trustDomain, ...stream }],
])('%s', async ([_what, event]) => {
  const page = await readFile('docs/troubleshooting.md', 'utf8');
  expect(page).toContain(`\n${sentence(event)}\n`);
});
