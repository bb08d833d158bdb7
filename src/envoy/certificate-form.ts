/**
 * Which certificates Envoy can read. OpenSSL forgives what is not strict DER, BoringSSL does not: one such certificate makes Envoy reject
 * the whole validation context, the bundles of all other trust domains included.
 */
import { messageOf } from '../error.ts';
import type { Certificate } from '../spiffe/certificate.ts';
import { checkDer, derChildren } from '../spiffe/der.ts';

/** [0] EXPLICIT INTEGER 2: version 3. */
const VERSION_3 = Uint8Array.of(0xa0, 3, 2, 1, 2);

const known = new WeakMap<Certificate, string>();

/** Why Envoy would reject this certificate and all that comes with it; undefined when it would not. Remembered for each certificate. */
export function formProblem(certificate: Certificate): string | undefined {
  let problem = known.get(certificate);
  if (problem === undefined) {
    problem = problemOf(certificate.der);
    known.set(certificate, problem);
  }
  return problem === '' ? undefined : problem;
}

function problemOf(der: Uint8Array): string {
  try {
    checkDer(der);
    const [version] = derChildren(derChildren(der)[0]?.bytes ?? new Uint8Array());
    if (version === undefined || Buffer.compare(version.bytes, VERSION_3) !== 0) return 'it is not X.509 version 3';
    return '';
  } catch (error) {
    return messageOf(error);
  }
}
