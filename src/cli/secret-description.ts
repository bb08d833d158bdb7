/** A received secret as people may see it: everything but the keys. */
import { X509Certificate } from 'node:crypto';
import { stringify } from 'yaml';
import type { CertificateValidationContext } from '../gen/messages.ts';
import { escaped, printable } from '../printable.ts';
import { type JwtSvid, parseJwtSvid } from '../spiffe/jwt/jwt-svid.ts';
import { decode } from '../wire/wire.ts';
import type { ReceivedSecret } from './clients/sds-client.ts';

export type OutputFormat = 'text' | 'json' | 'yaml' | 'pem';

interface CertificateDescription {
  readonly uri?: string;
  readonly subject: string;
  readonly issuer: string;
  readonly serial: string;
  readonly not_before: string;
  readonly not_after: string;
}

interface SecretDescription {
  readonly name: string;
  readonly kind: 'tls_certificate' | 'validation_context' | 'generic_secret' | 'other';
  readonly version: string;
  /** When it came: RFC 3339. */
  readonly received_at?: string;
  /** Of a tls_certificate, leaf first. */
  readonly certificate_chain?: readonly CertificateDescription[];
  /** Of a validation_context in SPIFFE form: the authorities of each trust domain. */
  readonly trust_domains?: Readonly<Record<string, readonly CertificateDescription[]>>;
  /** Of a validation_context in plain form. */
  readonly trusted_ca?: readonly CertificateDescription[];
  /** Of a generic_secret that is a JWT-SVID, with or without `Bearer` before it. */
  readonly jwt_svid?: Pick<JwtSvid, 'header' | 'claims'>;
  /** Only where that was asked for. */
  readonly token?: string;
}

export interface PrintOptions {
  /** When they came, if that is to be shown. */
  readonly at?: Date | undefined;
  /** Default false. */
  readonly showToken?: boolean;
}

export function printSecrets(
  secrets: readonly ReceivedSecret[],
  format: OutputFormat,
  { at, showToken = false }: PrintOptions = {},
): string {
  if (format === 'pem') return secrets.map((received) => pemBlocks(received).join('')).join('');
  const time = at === undefined ? {} : { received_at: at.toISOString() };
  const json = escaped(
    JSON.stringify(
      secrets.map((received) => ({ ...describeSecret(received, showToken), ...time })),
      undefined,
      2,
    ),
  );
  if (format === 'json') return `${json}\n`;
  const descriptions: readonly SecretDescription[] = JSON.parse(json, (_, value) =>
    typeof value === 'string' ? printable(value) : value,
  );
  return format === 'yaml' ? stringify(descriptions) : descriptions.map(textOf).join('\n');
}

function describeSecret({ secret, version }: ReceivedSecret, showToken: boolean): SecretDescription {
  const { name, tls_certificate, validation_context, generic_secret } = secret;
  if (tls_certificate !== undefined) {
    const certificate_chain = certificatesOf(tls_certificate.certificate_chain?.inline_bytes);
    return { name, kind: 'tls_certificate', version, certificate_chain };
  }
  if (generic_secret !== undefined) {
    const content = Buffer.from(generic_secret.secret?.inline_bytes ?? []).toString();
    const jwt_svid = jwtSvidIn(content);
    return { name, kind: 'generic_secret', version, ...(jwt_svid && { jwt_svid }), ...(showToken && { token: content }) };
  }
  if (validation_context === undefined) return { name, kind: 'other', version };
  const description = { name, kind: 'validation_context', version } as const;
  const trustDomains = trustDomainsOf(validation_context);
  if (trustDomains.length === 0)
    return { ...description, trusted_ca: certificatesOf(validation_context.trusted_ca?.inline_bytes) };
  return { ...description, trust_domains: Object.fromEntries(trustDomains.map(({ name, pem }) => [name, certificatesOf(pem)])) };
}

function jwtSvidIn(content: string): SecretDescription['jwt_svid'] {
  try {
    const { header, claims } = parseJwtSvid(content.replace(/^Bearer /, ''));
    return { header, claims };
  } catch {
    return undefined;
  }
}

function pemBlocks({ secret: { tls_certificate, validation_context } }: ReceivedSecret): readonly string[] {
  if (tls_certificate !== undefined) return blocks(tls_certificate.certificate_chain?.inline_bytes);
  if (validation_context === undefined) return [];
  return [
    ...trustDomainsOf(validation_context).flatMap(({ pem }) => blocks(pem)),
    ...blocks(validation_context.trusted_ca?.inline_bytes),
  ];
}

function trustDomainsOf({
  custom_validator_config,
}: CertificateValidationContext): readonly { name: string; pem: Uint8Array | undefined }[] {
  const value = custom_validator_config?.typed_config?.value;
  if (value === undefined) return [];
  const { trust_domains } = decode('envoy.extensions.transport_sockets.tls.v3.SPIFFECertValidatorConfig', value);
  return trust_domains.map(({ name, trust_bundle }) => ({ name, pem: trust_bundle?.inline_bytes }));
}

function blocks(pem: Uint8Array | undefined): readonly string[] {
  return (
    Buffer.from(pem ?? [])
      .toString()
      .match(/-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----\n?/g) ?? []
  );
}

function certificatesOf(pem: Uint8Array | undefined): readonly CertificateDescription[] {
  return blocks(pem).map((block) => {
    const { subject, issuer, serialNumber, validFrom, validTo, subjectAltName } = new X509Certificate(block);
    const uri = /\bURI:([^,\s]+)/.exec(subjectAltName ?? '')?.[1];
    return {
      ...(uri !== undefined && { uri }),
      subject: oneLine(subject),
      issuer: oneLine(issuer),
      serial: serialNumber,
      not_before: new Date(validFrom).toISOString(),
      not_after: new Date(validTo).toISOString(),
    };
  });
}

/** node:crypto gives one attribute a line, and undefined for an empty name. */
function oneLine(name: string | undefined): string {
  return (name ?? '').split('\n').join(', ');
}

function textOf(description: SecretDescription): string {
  const { name, kind, version, received_at, jwt_svid, token } = description;
  const { certificate_chain = [], trust_domains = {}, trusted_ca = [] } = description;
  return [
    `${name}\n  ${kind}, version ${version}${received_at === undefined ? '' : `, received ${received_at}`}\n`,
    ...certificate_chain.map((certificate, i) => lineOf(i === 0 ? 'leaf' : 'intermediate', certificate)),
    ...Object.entries(trust_domains).flatMap(([td, authorities]) =>
      authorities.map((authority) => lineOf(`authority of ${td}`, authority)),
    ),
    ...trusted_ca.map((authority) => lineOf('trusted CA', authority)),
    ...Object.entries(jwt_svid ?? {}).map(([part, content]) => `  ${part}: ${JSON.stringify(content)}\n`),
    ...(jwt_svid?.claims.exp === undefined ? [] : [`  until ${new Date(jwt_svid.claims.exp * 1000).toISOString()}\n`]),
    ...(token === undefined ? [] : [`  token: ${token}\n`]),
  ].join('');
}

function lineOf(role: string, { uri, subject, serial, not_after }: CertificateDescription): string {
  return `  ${role}: ${uri ?? subject}, serial ${serial}, until ${not_after}\n`;
}
