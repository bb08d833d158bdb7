/** The messages of the Delegated Identity API as those of the Workload API. */
import { status } from '@grpc/grpc-js';
import { expect, test } from 'vitest';
import { type DelegatedMethod, DelegatedSource } from '../../../src/broker/delegated-source.ts';
import type { JWTBundlesResponse, JWTSVIDResponse, X509SVIDResponse } from '../../../src/gen/messages.ts';
import type { Fetch } from '../../../src/workload-api/stream-call.ts';
import { PlayedFetch } from '../../support/workload-api/played-fetch.ts';

const bytes = (text: string) => new TextEncoder().encode(text);

function asked() {
  const agent = new Map<DelegatedMethod, PlayedFetch<unknown>>();
  const requests: object[] = [];
  const source = new DelegatedSource({
    address: 'unix:///admin.sock',
    fetch<Message>(name: DelegatedMethod, request: object = {}): Fetch<Message> {
      if (!agent.has(name)) agent.set(name, new PlayedFetch());
      requests.push({ [name]: request });
      return agent.get(name)?.fetch as Fetch<Message>;
    },
    [Symbol.dispose]: () => undefined,
  });
  return { requests, api: source.workload({ kind: 'pid', pid: 7 }), say: (name: DelegatedMethod) => agent.get(name)?.call };
}

function messagesOf<Message>(fetch: Fetch<Message>): Message[] {
  const messages: Message[] = [];
  fetch({ message: (message) => messages.push(message), end: () => undefined });
  return messages;
}

const svid = (id: { trust_domain: string; path: string }, hint = '') => ({
  x509_svid: { id, cert_chain: [bytes('leaf'), bytes('intermediate')], hint },
  x509_svid_key: bytes('key'),
});
const WEB = svid({ trust_domain: 'example.org', path: '/web' }, 'internal');

test('an SVID gets the bundle of its own trust domain, and the workload those that it federates with and no others', () => {
  const { api, say } = asked();
  const messages: X509SVIDResponse[] = messagesOf(api.fetchX509Svid);
  say('SubscribeToX509SVIDs')?.message({ x509_svids: [WEB], federates_with: ['spiffe://partner.test'] });
  say('SubscribeToX509Bundles')?.message({
    ca_certificates: {
      'spiffe://example.org': bytes('own'),
      'spiffe://partner.test': bytes('partner'),
      'spiffe://other.test': bytes('other'),
    },
  });
  expect(messages).toEqual([
    {
      svids: [
        {
          spiffe_id: 'spiffe://example.org/web',
          x509_svid: Buffer.from('leafintermediate'),
          x509_svid_key: bytes('key'),
          bundle: bytes('own'),
          hint: 'internal',
        },
      ],
      crl: [],
      federated_bundles: { 'spiffe://partner.test': bytes('partner') },
    },
  ]);
});

test('the keys of a map may be names of trust domains, too', () => {
  const { api, say } = asked();
  const messages: X509SVIDResponse[] = messagesOf(api.fetchX509Svid);
  say('SubscribeToX509SVIDs')?.message({ x509_svids: [WEB], federates_with: ['partner.test'] });
  say('SubscribeToX509Bundles')?.message({ ca_certificates: { 'example.org': bytes('own'), 'partner.test': bytes('partner') } });
  expect(messages[0]?.svids[0]?.bundle).toEqual(bytes('own'));
  expect(messages[0]?.federated_bundles).toEqual({ 'spiffe://partner.test': bytes('partner') });
});

test('a workload without an entry gets no bundle either', () => {
  const { api, say } = asked();
  const messages: X509SVIDResponse[] = messagesOf(api.fetchX509Svid);
  say('SubscribeToX509SVIDs')?.message({ x509_svids: [], federates_with: [] });
  say('SubscribeToX509Bundles')?.message({ ca_certificates: { 'spiffe://example.org': bytes('own') } });
  expect(messages).toEqual([{ svids: [], crl: [], federated_bundles: {} }]);
});

test('an SVID without a SPIFFE ID, or whose bundle is missing, has an empty field, which its reader refuses', () => {
  const { api, say } = asked();
  const messages: X509SVIDResponse[] = messagesOf(api.fetchX509Svid);
  say('SubscribeToX509SVIDs')?.message({ x509_svids: [{ x509_svid: null, x509_svid_key: bytes('key') }], federates_with: [] });
  say('SubscribeToX509Bundles')?.message({ ca_certificates: {} });
  expect(messages[0]?.svids).toMatchObject([{ spiffe_id: '', bundle: new Uint8Array() }]);
});

test('the keys of tokens are those of the same trust domains', () => {
  const { api, say } = asked();
  const messages: JWTBundlesResponse[] = messagesOf(api.fetchJwtBundles);
  say('SubscribeToX509SVIDs')?.message({ x509_svids: [WEB], federates_with: [] });
  say('SubscribeToJWTBundles')?.message({ bundles: { 'spiffe://example.org': bytes('{}'), 'spiffe://other.test': bytes('{}') } });
  expect(messages).toEqual([{ bundles: { 'spiffe://example.org': bytes('{}') } }]);
});

test('of the tokens of a workload, the one of the identity that was asked for is taken', () => {
  const { api, say, requests } = asked();
  const fetch = api.fetchJwtSvid({ audience: ['payments'], spiffe_id: 'spiffe://example.org/web' });
  const messages: JWTSVIDResponse[] = messagesOf(fetch);
  expect(requests.at(-1)).toEqual({ FetchJWTSVIDs: { audience: ['payments'], pid: 7 } });
  const token = (path: string) => ({ id: { trust_domain: 'example.org', path }, token: `token of ${path}`, hint: '' });
  say('FetchJWTSVIDs')?.message({ svids: [token('/api'), token('/web')] });
  expect(messages).toEqual([{ svids: [{ spiffe_id: 'spiffe://example.org/web', svid: 'token of /web', hint: '' }] }]);
});

test('bundles alone are not asked for: they come with the SVIDs', async () => {
  let code: status | undefined;
  asked().api.fetchX509Bundles({ message: () => undefined, end: (ended) => (code = ended) });
  await Promise.resolve();
  expect(code).toBe(status.UNIMPLEMENTED);
});
