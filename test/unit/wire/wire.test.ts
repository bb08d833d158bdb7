import { describe, expect, it } from 'vitest';
import { frameOf } from '../../../src/wire/frame.ts';
import { decode, encode, method } from '../../../src/wire/wire.ts';

const SECRET = 'envoy.extensions.transport_sockets.tls.v3.Secret';
const VALIDATION_CONTEXT = 'envoy.extensions.transport_sockets.tls.v3.CertificateValidationContext';
const REQUEST = 'envoy.service.discovery.v3.DiscoveryRequest';
const DELTA_REQUEST = 'envoy.service.discovery.v3.DeltaDiscoveryRequest';

/** Bytes written by hand: numbers are bytes (a tag is `field << 3 | wire type`), strings are ASCII. */
function bytes(...parts: readonly (number | string)[]): Buffer {
  return Buffer.concat(parts.map((part) => Buffer.from(typeof part === 'number' ? [part] : part)));
}

const secret = bytes(
  ...[0x0a, 7, 'default'],
  ...[0x12, 15],
  ...[0x0a, 6, 0x12, 4, 'CERT'], // certificate_chain.inline_bytes
  ...[0x12, 5, 0x12, 3, 'KEY'], // private_key.inline_bytes
);

describe('encode', () => {
  it('writes a Secret as Envoy reads it', () => {
    const message = {
      name: 'default',
      tls_certificate: {
        certificate_chain: { inline_bytes: Buffer.from('CERT') },
        private_key: { inline_bytes: Buffer.from('KEY') },
      },
    };
    expect(encode(SECRET, message)).toEqual(secret);
  });

  it('writes an enum value by its number', () => {
    const message = { match_typed_subject_alt_names: [{ san_type: 3, matcher: { prefix: 'a' } }] };
    expect(encode(VALIDATION_CONTEXT, message)).toEqual(bytes(0x7a, 7, 0x08, 3, 0x12, 3, 0x12, 1, 'a'));
  });

  it('writes fields in ascending order, whatever order they are given in', () => {
    const given = { response_nonce: '5', type_url: '4', resource_names: ['c', 'b'], version_info: '1' };
    expect(encode(REQUEST, given)).toEqual(
      bytes(...[0x0a, 1, '1'], ...[0x1a, 1, 'c'], ...[0x1a, 1, 'b'], ...[0x22, 1, '4'], ...[0x2a, 1, '5']),
    );
  });

  it('writes map entries in the order given', () => {
    const given = { initial_resource_versions: { b: '2', a: '1' } };
    expect(encode(DELTA_REQUEST, given)).toEqual(
      bytes(...[0x2a, 6, 0x0a, 1, 'b', 0x12, 1, '2'], ...[0x2a, 6, 0x0a, 1, 'a', 0x12, 1, '1']),
    );
  });

  it('writes nothing for what is left out', () => {
    expect(encode(REQUEST, {})).toEqual(bytes());
  });
});

describe('decode', () => {
  it('reads what encode wrote', () => {
    expect(decode(SECRET, secret)).toEqual({
      name: 'default',
      tls_certificate: {
        certificate_chain: { inline_bytes: Buffer.from('CERT') },
        private_key: { inline_bytes: Buffer.from('KEY') },
      },
    });
  });

  it("skips fields that proto/ leaves out, such as the node's extensions", () => {
    const extensions = [0x4a, 5, 0x0a, 3, 'tls', 0x4a, 6, 0x0a, 4, 'quic'];
    const request = bytes(...[0x12, 18, 0x0a, 1, 'n', ...extensions], ...[0x1a, 6, 'ROOTCA']);
    expect(decode(REQUEST, request)).toMatchObject({
      node: { id: 'n', cluster: '', metadata: null, user_agent_name: '' },
      resource_names: ['ROOTCA'],
    });
  });

  it('gives every field its default, an absent message null, and nothing for an absent oneof', () => {
    expect(decode(DELTA_REQUEST, bytes())).toEqual({
      node: null,
      type_url: '',
      resource_names_subscribe: [],
      resource_names_unsubscribe: [],
      initial_resource_versions: {},
      response_nonce: '',
      error_detail: null,
    });
    expect(Object.keys(decode(SECRET, bytes()))).toEqual(['name']);
  });

  it('reads a map as an object', () => {
    const response = bytes(...[0x1a, 17, 0x0a, 10, 'spiffe://a', 0x12, 3, 'DER']);
    expect(decode('X509SVIDResponse', response).federated_bundles).toEqual({ 'spiffe://a': Buffer.from('DER') });
  });

  it('reads a map key named __proto__ as any other', () => {
    const request = bytes(...[0x2a, 14, 0x0a, 9, '__proto__', 0x12, 1, '1']);
    expect(Object.entries(decode(DELTA_REQUEST, request).initial_resource_versions)).toEqual([['__proto__', '1']]);
  });

  it('reads a negative status code', () => {
    expect(decode('google.rpc.Status', encode('google.rpc.Status', { code: -1 })).code).toBe(-1);
  });

  it('throws when the bytes end inside a message', () => {
    expect(() => decode(REQUEST, bytes(0x12, 5, 0x0a))).toThrow();
  });
});

describe('method', () => {
  it.each([
    ['envoy.service.secret.v3.SecretDiscoveryService', 'StreamSecrets', true, true],
    ['envoy.service.secret.v3.SecretDiscoveryService', 'DeltaSecrets', true, true],
    ['envoy.service.secret.v3.SecretDiscoveryService', 'FetchSecrets', false, false],
    ['envoy.service.discovery.v3.AggregatedDiscoveryService', 'StreamAggregatedResources', true, true],
    ['envoy.service.discovery.v3.AggregatedDiscoveryService', 'DeltaAggregatedResources', true, true],
    ['SpiffeWorkloadAPI', 'FetchX509SVID', false, true],
    ['SpiffeWorkloadAPI', 'FetchX509Bundles', false, true],
    ['SpiffeWorkloadAPI', 'FetchJWTSVID', false, false],
    ['SpiffeWorkloadAPI', 'FetchJWTBundles', false, true],
    ['SpiffeWorkloadAPI', 'ValidateJWTSVID', false, false],
  ])('finds %s/%s', (service, name, requestStream, responseStream) => {
    expect(method(service, name)).toMatchObject({ path: `/${service}/${name}`, requestStream, responseStream });
  });

  it('refuses a method that proto/ does not have', () => {
    expect(() => method('SpiffeWorkloadAPI', 'FetchSVID')).toThrow('SpiffeWorkloadAPI/FetchSVID');
  });
});

describe('what is written', () => {
  const written = encode(SECRET, { name: 'default' });

  it.each([
    ['a message', written],
    ['a frame', frameOf(written, written)],
  ])('keeps no more memory than it has bytes, when it is %s', (_, bytes) => {
    expect(bytes.buffer.byteLength - bytes.length).toBeLessThanOrEqual(1);
  });
});
