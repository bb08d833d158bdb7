import { status } from '@grpc/grpc-js';
import { describe, expect, test } from 'vitest';
import { CertificateReader } from '../../../src/spiffe/certificate-reader.ts';
import { fc } from '../../support/properties.ts';
import { PlayedWatch } from '../../support/workload-api/played-watch.ts';
import { responseWith, svidMessage } from '../../support/workload-api/workload-messages.ts';
import { HOUR, issueAuthority, issueLeaf } from '../../support/x509/certificates.ts';

const reader = new CertificateReader();
const authority = await issueAuthority({ notAfter: Date.UTC(2031, 0) });
const ids = ['spiffe://example.org/a', 'spiffe://example.org/b', 'spiffe://example.org/c'];
const messages = await Promise.all(
  ids.map(async (id) => svidMessage(id, [await issueLeaf(authority, id, { notAfter: Date.UTC(2031, 0) })], [authority])),
);

/** What an upstream can do to a watch, and what ought to be served after it if `before` was. */
interface Step {
  readonly play: (played: PlayedWatch) => void;
  readonly served: (before: readonly string[]) => readonly string[];
}

const keep = (before: readonly string[]) => before;
const final: readonly unknown[] = [status.INVALID_ARGUMENT, status.UNIMPLEMENTED];
const retried = Object.values(status).filter((code) => typeof code === 'number' && !final.includes(code)) as status[];

/** Lets time pass, and then some if the watch is waiting, for its longest wait: afterwards a call is open. */
function pass(played: PlayedWatch, ms: number): void {
  played.clock.advance(ms);
  if (played.calls.length === played.lost.length) played.clock.advance(5_000);
}

const step: fc.Arbitrary<Step> = fc.oneof(
  fc.subarray(messages).map((svids) => ({
    play: ({ call }: PlayedWatch) => call.message(responseWith(svids)),
    served: () => svids.map(({ spiffe_id }) => spiffe_id),
  })),
  fc.constantFrom('x509_svid', 'x509_svid_key', 'bundle', 'spiffe_id').map((field) => ({
    play: ({ call }: PlayedWatch) => call.message(responseWith(messages.map((svid) => ({ ...svid, [field]: Buffer.alloc(0) })))),
    served: keep,
  })),
  fc.constantFrom(...retried).map((code) => ({
    play: (played: PlayedWatch) => {
      played.call.end(code, '');
      pass(played, 0);
    },
    served: code === status.PERMISSION_DENIED ? () => [] : keep,
  })),
  fc.nat(HOUR).map((ms) => ({ play: (played: PlayedWatch) => pass(played, ms), served: keep })),
);

describe('after any sequence of what an upstream can do', () => {
  test('the newest good context is what was handed over last', () => {
    fc.assert(
      fc.property(fc.array(step, { maxLength: 20 }), (steps) => {
        const played = new PlayedWatch(reader);
        played.watch.start();
        for (const { play } of steps) play(played);
        expect(played.ids ?? []).toEqual(steps.reduce<readonly string[]>((before, { served }) => served(before), []));
      }),
    );
  });

  test('exactly one call is open, and none after stop', () => {
    fc.assert(
      fc.property(fc.array(step, { maxLength: 20 }), (steps) => {
        const played = new PlayedWatch(reader);
        played.watch.start();
        for (const { play } of steps) play(played);
        const ended = played.lost.length;
        const open = played.calls.length - ended;
        played.watch.stop();
        played.clock.advance(HOUR);
        expect([open, played.call.cancelled, played.calls.length - ended]).toEqual([1, true, 1]);
      }),
    );
  });
});
