import { describe, expect, test } from 'vitest';
import { encodeDelta, encodeFetch, encodeSotw } from '../../../../src/sds/protocol/response.ts';
import { createSecret, SECRET_TYPE_URL, type Secret } from '../../../../src/secrets/secret.ts';
import { version } from '../../../../src/version.ts';
import { PREFIX_BYTES } from '../../../../src/wire/frame.ts';
import { decode } from '../../../../src/wire/wire.ts';

/** @param length of what stands for its certificate chain */
function certificate(name: string, length = 10): Secret {
  return createSecret(name, 'tls_certificate', {
    tls_certificate: { certificate_chain: { inline_bytes: Buffer.alloc(length, name) } },
  });
}

const [a, b] = [certificate('a'), certificate('b')];

function sotw(secrets: readonly Secret[], nonce = '1') {
  return decode('envoy.service.discovery.v3.DiscoveryResponse', encodeSotw({ secrets, nonce }).subarray(PREFIX_BYTES));
}

function delta(secrets: readonly Secret[], removed: readonly string[] = [], nonce = '1') {
  return decode(
    'envoy.service.discovery.v3.DeltaDiscoveryResponse',
    encodeDelta({ secrets, removed, nonce }).subarray(PREFIX_BYTES),
  );
}

function nameIn(any: { readonly value: Uint8Array } | null): string {
  return decode('envoy.extensions.transport_sockets.tls.v3.Secret', any?.value ?? Buffer.alloc(0)).name;
}

describe('a response', () => {
  test('says what type it is of, its nonce and who we are', () => {
    const said = { type_url: SECRET_TYPE_URL, nonce: '7', control_plane: { identifier: `spiffe-sds/${version}` } };
    expect([sotw([a], '7'), delta([a], [], '7')]).toMatchObject([said, said]);
  });

  test('holds its secrets, each of the type that is asked for', () => {
    expect(sotw([a, b]).resources.map((any) => [any.type_url, nameIn(any)])).toEqual([
      [SECRET_TYPE_URL, 'a'],
      [SECRET_TYPE_URL, 'b'],
    ]);
  });

  // The lengths of length-delimited fields take one, two and three bytes.
  test.each([10, 300, 20_000])('holds a secret of %d bytes whole', (length) => {
    const large = certificate('a', length);
    expect([sotw([large]).resources[0]?.value, delta([large]).resources[0]?.resource?.value]).toEqual(
      [large, large].map(({ any }) => decode('google.protobuf.Any', any).value),
    );
  });

  test('of one secret has its version', () => {
    expect([sotw([a]).version_info, delta([a]).system_version_info]).toEqual([a.version, a.version]);
  });

  test('of several secrets has another version when one of them has', () => {
    const versions = [sotw([a, b]), sotw([a, certificate('b', 11)]), sotw([a, b], '2')].map(({ version_info }) => version_info);
    expect([versions[0] === versions[1], versions[0] === versions[2]]).toEqual([false, true]);
  });

  test('of a secret that went out before differs in the nonce only', () => {
    const [first, second] = [encodeSotw({ secrets: [a], nonce: '1' }), encodeSotw({ secrets: [a], nonce: '2' })];
    expect(first.subarray(0, -1).equals(second.subarray(0, -1))).toBe(true);
  });
});

describe('the bytes of a response', () => {
  test.each([[[a]], [[a, b]]])('are the same object for all streams that get the same under the same nonce', (secrets) => {
    const [first, second] = [encodeSotw({ secrets, nonce: '3' }), encodeSotw({ secrets: [...secrets], nonce: '3' })];
    expect(second).toBe(first);
    const removed: string[] = [];
    expect(encodeDelta({ secrets: [...secrets], removed, nonce: '3' })).toBe(encodeDelta({ secrets, removed, nonce: '3' }));
  });

  test('are others when one of the secrets is another', () => {
    const first = encodeSotw({ secrets: [a, b], nonce: '4' });
    expect(sotw([a, certificate('b', 12)], '4').resources).toHaveLength(2);
    expect(encodeSotw({ secrets: [a, certificate('b', 12)], nonce: '4' }).equals(first)).toBe(false);
  });
});

describe('a delta response', () => {
  test('names each resource and its version, and no aliases', () => {
    const [resource] = delta([a]).resources;
    expect([resource?.name, resource?.version, nameIn(resource?.resource ?? null)]).toEqual(['a', a.version, 'a']);
  });

  test('that removes holds the names and no resources', () => {
    const { resources, removed_resources } = delta([], ['a', 'b']);
    expect([resources, removed_resources]).toEqual([[], ['a', 'b']]);
  });
});

test('the answer to a fetch has no nonce', () => {
  const response = decode('envoy.service.discovery.v3.DiscoveryResponse', encodeFetch([a, b]).subarray(PREFIX_BYTES));
  expect([response.nonce, response.resources.map(nameIn)]).toEqual(['', ['a', 'b']]);
});
