/** Large CRLs on their way in: others have their turn while they are read, and nothing overtakes them. */
import { setImmediate } from 'node:timers/promises';
import { status } from '@grpc/grpc-js';
import { expect, test } from 'vitest';
import { CertificateReader } from '../../../src/spiffe/certificate-reader.ts';
import { own, PARTNER, partner, web } from '../../support/secrets/federation.ts';
import { PlayedWatch } from '../../support/workload-api/played-watch.ts';
import { bundlesWith, responseWith } from '../../support/workload-api/workload-messages.ts';
import { issueAuthority } from '../../support/x509/certificates.ts';
import { entries, rawCrl } from '../../support/x509/raw-crl.ts';

/** Some 280 KB. */
const large = rawCrl(own, { entries: entries(8_000) });
const revoking = responseWith([web], {}, [large]);
const plain = responseWith([web]);

function started(reader = new CertificateReader()): PlayedWatch {
  const played = new PlayedWatch(reader);
  played.watch.start();
  return played;
}

/** Waits until as many messages are handled. */
async function handled(played: PlayedWatch, count: number): Promise<void> {
  while (played.messages.filter(({ type }) => type === 'message_handled').length < count) await setImmediate();
}

const crlCounts = ({ contexts }: PlayedWatch) => contexts.map(({ crls }) => crls.length);

test('a large CRL is taken in, later', async () => {
  const played = started();
  played.call.message(revoking);
  expect(crlCounts(played)).toEqual([]);
  await handled(played, 1);
  expect(crlCounts(played)).toEqual([1]);
});

test('others have their turn while it is read', async () => {
  const reader = new CertificateReader();
  let turns = 0;
  let isRead = false;
  const reading = reader.crls.prepare(rawCrl(own, { entries: entries(30_000) })).then(() => {
    isRead = true;
  });
  for (; !isRead; turns++) await setImmediate();
  await reading;
  expect(turns).toBeGreaterThan(8);
});

test('when it is taken in, its signature is verified already', async () => {
  const reader = new CertificateReader();
  const played = started(reader);
  played.call.message(revoking);
  await handled(played, 1);
  const [authority] = reader.readAll(own.der).certificates;
  expect(authority && played.contexts[0]?.crls[0]?.hasChecked(authority)).toBe(true);
});

test('what comes after it does not overtake it, on either stream', async () => {
  const played = started();
  played.call.message(revoking);
  played.bundleCall.message(bundlesWith({ [PARTNER]: partner.der }));
  played.call.message(plain);
  expect(played.contexts).toEqual([]);
  await handled(played, 3);
  expect(crlCounts(played)).toEqual([1, 1, 0]);
  expect(played.contexts.map(({ bundles }) => bundles.size)).toEqual([1, 2, 2]);
});

test('it is not taken in after a withdrawal', async () => {
  const played = started();
  played.call.message(plain);
  played.call.message(revoking);
  played.call.end(status.PERMISSION_DENIED, '');
  played.clock.advance(60_000);
  played.call.message(plain);
  await handled(played, 2);
  expect(played.contexts.map(({ svids, crls }) => [svids.length, crls.length])).toEqual([
    [1, 0],
    [0, 0],
    [1, 0],
  ]);
});

test('the same one that comes again is taken in at once, and is the same', async () => {
  const played = started();
  played.call.message(revoking);
  await handled(played, 1);
  played.call.message(responseWith([web], { [PARTNER]: partner.der }, [Buffer.from(large)]));
  expect(crlCounts(played)).toEqual([1, 1]);
  expect(played.contexts[1]?.crls[0]).toBe(played.contexts[0]?.crls[0]);
});

test('a message without CRLs is taken in at once while a large one is in use', async () => {
  const played = started();
  played.call.message(revoking);
  await handled(played, 1);
  played.bundleCall.message(bundlesWith({ [PARTNER]: partner.der }));
  expect(crlCounts(played)).toEqual([1, 1]);
});

test('an authority that comes later and may have signed it: its message waits until that is known', async () => {
  const namesake = await issueAuthority({ name: 'own' });
  const played = started();
  played.call.message(revoking);
  await handled(played, 1);
  played.bundleCall.message(bundlesWith({ [PARTNER]: namesake.der }, [large]));
  expect(crlCounts(played)).toEqual([1]);
  await handled(played, 2);
  expect(crlCounts(played)).toEqual([1, 1]);
});

test('a large one that cannot be read is told, the rest of its message counts', async () => {
  const played = started();
  const broken = Buffer.from(large);
  broken.fill(0xff, 200_000, 200_100);
  played.call.message(responseWith([web], {}, [broken]));
  await handled(played, 1);
  expect(crlCounts(played)).toEqual([0]);
  expect(played.events).toContainEqual({ type: 'crl_left_out', reason: expect.stringContaining('does not parse') });
});

test('one that is no longer in use is forgotten', async () => {
  const reader = new CertificateReader();
  const played = started(reader);
  played.call.message(revoking);
  await handled(played, 1);
  expect(reader.crls.knows(large)).toBe(true);
  played.call.message(plain);
  expect(reader.crls.knows(large)).toBe(false);
});
