/** What Envoy requires of its own certificate, in addition to certificate-form.ts. Observed on Envoy 1.36 – 1.40. */
import type { Certificate } from '../spiffe/x509/certificate.ts';
import { derChildren } from '../spiffe/x509/der.ts';
import { extensionsOf } from '../spiffe/x509/extensions.ts';
import { leafKeyProblem } from './keys.ts';

/** Object identifiers, DER in hexadecimal. */
const COMMON_NAME = '550403';
/** TLS Feature (RFC 7633), "must staple". */
const TLS_FEATURE = '2b06010505070118';

/** Why Envoy would reject a TLS certificate with this leaf; undefined when it would accept it. */
export function leafProblem(leaf: Certificate): string | undefined {
  if (hasEmptyCommonName(leaf)) return 'the common name in its subject is empty, which Envoy refuses: leave it out, or fill it';
  if (extensionsOf(leaf.der).has(TLS_FEATURE))
    return 'it must be served with an OCSP response (TLS feature), and there is none for Envoy: issue it without that extension';
  return leafKeyProblem(leaf);
}

/** If the subject has several common names, Envoy checks the first one. */
function hasEmptyCommonName({ subject }: Certificate): boolean {
  const attributes = derChildren(subject).flatMap(({ bytes }) => derChildren(bytes));
  const [, value] = attributes.map(({ bytes }) => derChildren(bytes)).find(([type]) => hex(type?.content) === COMMON_NAME) ?? [];
  return value?.content.length === 0;
}

function hex(bytes: Uint8Array | undefined): string {
  return Buffer.from(bytes ?? []).toString('hex');
}
