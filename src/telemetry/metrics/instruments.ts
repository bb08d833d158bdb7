/** The instruments: names, kinds and units are promised to users. Prometheus shows the same names with underscores. */

/** `up_down_counter`: a sum that can fall; Prometheus knows it as a gauge. */
export type InstrumentKind = 'counter' | 'up_down_counter' | 'gauge' | 'histogram';

export interface Instrument<Kind extends InstrumentKind = InstrumentKind> {
  /** As OpenTelemetry writes it. */
  readonly name: string;
  readonly kind: Kind;
  /** UCUM: `s`, or `{thing}` where something is counted; empty: a number without a unit. */
  readonly unit: string;
  readonly description: string;
  /** The attributes that its points may have. */
  readonly attributes: readonly string[];
}

export const ID = 'spiffe.id';
export const TRUST_DOMAIN = 'spiffe.trust_domain';
export const AUDIENCE = 'spiffe.jwt.audience';
export const WORKLOAD_API = 'spiffe.workload_api.address';
const KIND = 'secret.kind';
const METHOD = 'sds.method';

/** What the attributes of the instruments here are; their values are those of `measurements.ts`. */
export const ATTRIBUTES: Readonly<Record<string, string>> = {
  [ID]: 'the SPIFFE ID of the SVID',
  [TRUST_DOMAIN]: 'the name of the trust domain',
  [AUDIENCE]: 'the audiences of the JWT-SVID, with a space between them',
  [WORKLOAD_API]: 'the address of the Workload API; only where there are several',
  [KIND]: 'what kind of secret it is',
  [METHOD]: 'state of the world, or delta',
  result: 'how it ended',
  reason: 'of a rejection: what Envoy complains of, as far as its words tell; of a refusal: which limit, or `malformed`',
};

/** Upper bounds of the buckets of every histogram, seconds: from one push on an idle machine to an Envoy that hardly answers. */
export const BUCKETS = [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30] as const;

export const INSTRUMENTS = {
  svidFetch: counter(
    'spiffe.svid.fetch',
    '{message}',
    'Messages of FetchX509SVID, and streams that ended: by their gRPC status, or ended for OK.',
    ['result'],
  ),
  svidFetchDuration: histogram('spiffe.svid.fetch.duration', 'From opening a FetchX509SVID stream to its first message.', []),
  svidRotation: counter('spiffe.svid.rotation', '{rotation}', 'SVIDs that got a new serial number.', [ID]),
  svidNotAfter: gauge('spiffe.svid.not_after', 's', 'When the SVID expires, unix time.', [ID]),
  rotationLastSuccess: gauge('spiffe.svid.rotation.last_success', 's', 'When the SVID was received last, unix time.', [ID]),
  rotationLastFailure: gauge(
    'spiffe.svid.rotation.last_failure',
    's',
    'When the SVID was last discarded or found not rotated in time, unix time.',
    [ID],
  ),
  jwtFetch: counter('spiffe.jwt_svid.fetch', '{call}', 'Calls of FetchJWTSVID by how they ended.', ['result']),
  jwtNotAfter: gauge('spiffe.jwt_svid.not_after', 's', 'When the JWT-SVID that is served expires, unix time.', [ID, AUDIENCE]),
  bundleUpdate: counter('spiffe.bundle.update', '{update}', 'Trust bundles that changed.', [TRUST_DOMAIN]),
  bundleAuthorities: gauge('spiffe.bundle.authorities', '{authority}', 'Authorities in the trust bundle.', [TRUST_DOMAIN]),
  bundleNotAfter: gauge('spiffe.bundle.not_after', 's', 'When the last authority of the trust bundle expires, unix time.', [
    TRUST_DOMAIN,
  ]),
  attestation: counter('spiffe.attestation', '{attestation}', 'How the Workload API judged this workload.', ['result']),
  connected: gauge('spiffe.workload_api.connected', '', 'Whether the Workload API is connected and has spoken: 1 or 0.', [
    WORKLOAD_API,
  ]),
  lastMessage: gauge('spiffe.workload_api.last_message', 's', 'When the Workload API spoke last, unix time.', [WORKLOAD_API]),
  conflicts: gauge(
    'spiffe.workload_api.conflicts',
    '{conflict}',
    'SVIDs and bundles that two Workload APIs give differently; the first one is used.',
    [],
  ),
  push: counter('spiffe.sds.push', '{secret}', 'Secrets sent.', [KIND, METHOD]),
  ack: counter('spiffe.sds.ack', '{secret}', 'Secrets acknowledged.', [KIND, METHOD]),
  nack: counter('spiffe.sds.nack', '{secret}', 'Secrets rejected, by what Envoy complains of.', [KIND, METHOD, 'reason']),
  pushDuration: histogram('spiffe.sds.push.duration', 'From sending a secret to its acknowledgement.', [KIND]),
  rotationDuration: histogram('spiffe.sds.rotation.duration', "From a Workload API message to the last subscriber's answer.", []),
  connections: gauge('spiffe.sds.connections', '{connection}', 'Open connections to the SDS socket.', []),
  streams: gauge('spiffe.sds.streams', '{stream}', 'Open SDS streams.', []),
  subscriptions: gauge('spiffe.sds.subscriptions', '{subscription}', 'Names that open streams ask for.', []),
  held: gauge('spiffe.sds.held', '{subscription}', 'Names that open streams ask for and that there is no secret for.', []),
  workloads: gauge('spiffe.sds.workloads', '{workload}', 'In node mode: processes that have secrets of their own.', []),
  peerDenied: counter('spiffe.sds.peer.denied', '{denial}', 'Peers that were refused.', ['reason']),
  reload: counter('spiffe.configuration.reload', '{reload}', 'Configuration files read while running.', ['result']),
  configurationValid: gauge(
    'spiffe.configuration.valid',
    '',
    'Whether the configuration file that was read last is in force: 1 or 0.',
    [],
  ),
} as const satisfies Readonly<Record<string, Instrument>>;

function counter(name: string, unit: string, description: string, attributes: readonly string[]): Instrument<'counter'> {
  return { name, kind: 'counter', unit, description, attributes };
}

function gauge(name: string, unit: string, description: string, attributes: readonly string[]): Instrument<'gauge'> {
  return { name, kind: 'gauge', unit, description, attributes };
}

function histogram(name: string, description: string, attributes: readonly string[]): Instrument<'histogram'> {
  return { name, kind: 'histogram', unit: 's', description, attributes };
}
