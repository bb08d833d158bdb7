/** An X509-SVID as Envoy's TlsCertificate. */
import { pemEncode } from '../spiffe/x509/pem.ts';
import type { ServedSvid } from './identities.ts';
import type { SecretContent } from './secret.ts';

/** The chain, leaf first, and the key as PKCS#8 PEM. Both are inline: Envoy would look for a file on its own disk. */
export function tlsCertificate({ chain, svid: { privateKey } }: ServedSvid): SecretContent {
  return {
    tls_certificate: {
      certificate_chain: {
        inline_bytes: pemEncode(
          'CERTIFICATE',
          chain.map(({ der }) => der),
        ),
      },
      private_key: { inline_bytes: pemEncode('PRIVATE KEY', [privateKey]) },
    },
  };
}
