/** What a real Envoy says of certificates, in each place where a secret has some. */
import type { SecretContent } from '../../../src/secrets/secret.ts';
import { validationContext } from '../../../src/secrets/validation-context.ts';
import { pemEncode } from '../../../src/spiffe/x509/pem.ts';
import { SdsOracle } from './sds-oracle.ts';

export const PLACES = ['spiffe', 'trusted_ca', 'chain'] as const;
export type Place = (typeof PLACES)[number];

/** A certificate and a key that any Envoy takes. */
export interface GoodIdentity {
  /** DER. */
  readonly authority: Uint8Array;
  /** DER. */
  readonly leaf: Uint8Array;
  /** PKCS#8 DER. */
  readonly privateKey: Uint8Array;
}

export interface Refusal {
  readonly der: Uint8Array;
  readonly place: Place;
  /** Why, in Envoy's words. */
  readonly reason: string;
}

/** In how many pushes certificates of which each is thought to be good are asked for. */
const BATCH = 50;

export class EnvoyJudge implements AsyncDisposable {
  readonly version: string | undefined;
  readonly #good: GoodIdentity;
  readonly #oracle: SdsOracle;
  #asked = 0;

  private constructor(good: GoodIdentity, oracle: SdsOracle, version: string | undefined) {
    this.#good = good;
    this.#oracle = oracle;
    this.version = version;
  }

  static async start(good: GoodIdentity, version?: string): Promise<EnvoyJudge> {
    const first = Object.fromEntries(PLACES.map((place) => [place, contentOf(place, [], good, 0)]));
    const oracle = await SdsOracle.start((sdsConfig) => listeners(sdsConfig, good), first, version);
    return new EnvoyJudge(good, oracle, version);
  }

  /**
   * Which of them, if any, makes Envoy refuse all that comes with it.
   * @throws when Envoy cannot show in /certs what it took
   */
  async refusals(ders: readonly Uint8Array[], places: readonly Place[] = PLACES): Promise<readonly Refusal[]> {
    const each = places.map(async (place) => {
      const found: Refusal[] = [];
      for (let from = 0; from < ders.length; from += BATCH)
        found.push(...(await this.#refused(place, ders.slice(from, from + BATCH))));
      return found;
    });
    const refusals = (await Promise.all(each)).flat();
    await this.#oracle.envoy.certs().catch((cause: unknown) => {
      throw new Error('Envoy cannot tell of a certificate that it took', { cause });
    });
    return refusals;
  }

  /** Those that Envoy takes, each asked for by itself. */
  async accepted(ders: readonly Uint8Array[], place: Place): Promise<readonly Uint8Array[]> {
    const taken: Uint8Array[] = [];
    for (const der of ders) if ((await this.#ask(place, [der])) === undefined) taken.push(der);
    return taken;
  }

  get oracle(): SdsOracle {
    return this.#oracle;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#oracle[Symbol.asyncDispose]();
  }

  async #refused(place: Place, ders: readonly Uint8Array[]): Promise<readonly Refusal[]> {
    const [der] = ders;
    if (der === undefined) return [];
    const reason = await this.#ask(place, ders);
    if (reason === undefined) return [];
    if (ders.length === 1) return [{ der, place, reason }];
    const half = Math.ceil(ders.length / 2);
    return [...(await this.#refused(place, ders.slice(0, half))), ...(await this.#refused(place, ders.slice(half)))];
  }

  #ask(place: Place, ders: readonly Uint8Array[]): Promise<string | undefined> {
    this.#asked += 1;
    return this.#oracle.ask(place, contentOf(place, ders, this.#good, this.#asked));
  }
}

/** @param unique makes these bytes others than those before */
function contentOf(place: Place, ders: readonly Uint8Array[], good: GoodIdentity, unique: number): SecretContent {
  if (place === 'chain') {
    const chain = Buffer.concat([Buffer.from(`${unique}\n`), pemEncode('CERTIFICATE', [good.leaf, ...ders])]);
    return {
      tls_certificate: {
        certificate_chain: { inline_bytes: chain },
        private_key: { inline_bytes: pemEncode('PRIVATE KEY', [good.privateKey]) },
      },
    };
  }
  const own = { trustDomain: 'good.test', authorities: [good.authority], crls: [] } as const;
  const others = ders.map((der, index) => ({ trustDomain: `of-${index}.test`, authorities: [der], crls: [] }) as const);
  return validationContext([own, ...others], place, [{ prefix: `spiffe://good.test/${unique}` }, { prefix: 'spiffe://' }]);
}

function listeners(sdsConfig: object, good: GoodIdentity): Readonly<Record<Place, object>> {
  const tls_certificates = [
    {
      certificate_chain: { inline_string: pemEncode('CERTIFICATE', [good.leaf]).toString() },
      private_key: { inline_string: pemEncode('PRIVATE KEY', [good.privateKey]).toString() },
    },
  ];
  const verifying = (name: Place) => ({
    require_client_certificate: true,
    common_tls_context: { tls_certificates, validation_context_sds_secret_config: { name, sds_config: sdsConfig } },
  });
  return {
    spiffe: verifying('spiffe'),
    trusted_ca: verifying('trusted_ca'),
    chain: { common_tls_context: { tls_certificate_sds_secret_configs: [{ name: 'chain', sds_config: sdsConfig }] } },
  };
}
