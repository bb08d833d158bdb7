/** What we use of @peculiar/x509, to be imported late: it takes longer to load than the rest of the sidecar together. */
import 'reflect-metadata';

export {
  BasicConstraintsExtension,
  KeyUsageFlags,
  KeyUsagesExtension,
  X509CertificateGenerator,
} from '@peculiar/x509';
