import { X509Certificate } from 'node:crypto';
import type { Event } from '../../../src/events.ts';
import type { Naming } from '../../../src/secrets/naming.ts';
import { SecretPublisher } from '../../../src/secrets/publisher.ts';
import { NO_SECRETS, type SecretSet } from '../../../src/secrets/secret-set.ts';
import { SuspendableClock } from '../clocks/suspendable-clock.ts';
import { NOW } from '../x509/certificates.ts';
import { contextOf, PARTNER, partner, web } from './federation.ts';
import { NAMING } from './naming.ts';
import { contentOf } from './secret-content.ts';

/** A publisher with a clock of its own, and what it tells and publishes. */
export class Publishing {
  readonly clock = new SuspendableClock(NOW);
  readonly events: Event[] = [];
  readonly published: { readonly set: SecretSet; readonly bundleFirst: boolean }[] = [];
  readonly publisher: SecretPublisher;

  constructor(naming: Partial<Naming> = {}) {
    this.publisher = new SecretPublisher(
      { ...NAMING, ...naming },
      {
        clock: this.clock,
        events: (event) => void (event.type === 'secret_encoded' || this.events.push(event)),
        publish: ({ secrets: set, bundleFirst }) => void this.published.push({ set, bundleFirst }),
      },
    );
  }

  /** The newest. */
  get set(): SecretSet {
    return this.published.at(-1)?.set ?? NO_SECRETS;
  }

  /** What was told, in one word each, after the first SVIDs were received. */
  get told(): readonly string[] {
    return this.events
      .filter(({ type }) => type !== 'svid_received')
      .map((event) => ('id' in event ? `${event.type} ${event.id}` : event.type));
  }

  /** The serial of the certificate that is served under a name. */
  serial(name: string): string | undefined {
    const secret = this.set.get(name, 'spiffe');
    const pem = secret && contentOf(secret).tls_certificate?.certificate_chain?.inline_bytes;
    return pem && new X509Certificate(pem).serialNumber;
  }

  serves(name: string): boolean {
    return this.set.get(name, 'spiffe') !== undefined;
  }
}

/** With an SVID that is valid for an hour. */
export function serving(naming: Partial<Naming> = {}, crls: readonly Uint8Array[] = []): Publishing {
  const publishing = new Publishing(naming);
  publishing.publisher.adopt(contextOf([web], { [PARTNER]: partner.der }, crls));
  return publishing;
}
