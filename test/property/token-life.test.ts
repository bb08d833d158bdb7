/** Whatever happens, in whatever order: nobody is given a token that has expired, is somebody else's, or was withdrawn. */

import { expect, test } from 'vitest';
import type { Token } from '../../src/spiffe/jwt/jwt-token.ts';
import { parseSpiffeId, type SpiffeId } from '../../src/spiffe/spiffe-id.ts';
import {
  afterFailed,
  afterIdentified,
  afterOpened,
  afterReceived,
  afterTime,
  afterWanted,
  INITIAL_TOKEN_LIFE,
  isCallDue,
  nextLook,
  servedToken,
  type TokenLife,
} from '../../src/workload-api/token-life.ts';
import { fc, runs } from '../support/properties.ts';

const IDS = ['spiffe://example.org/web', 'spiffe://example.org/db'].map(parseSpiffeId);
const MINUTE = 60_000;

/** A life, and beside it all that upstream has said. */
class Play {
  life: TokenLife = INITIAL_TOKEN_LIFE;
  now = 1_000_000;
  subject: SpiffeId | undefined;
  /** Withdrawn, of another call than the open one, of who this workload is not any more. */
  readonly forbidden = new Set<Token>();
  readonly given: Token[] = [];
  opened = 0;
  number = 0;

  want(): void {
    this.life = afterWanted(this.life);
    this.#call();
  }

  identify(subject: SpiffeId | undefined): void {
    if (subject !== this.subject && this.life.token !== undefined) this.forbidden.add(this.life.token);
    this.subject = subject;
    this.life = afterIdentified(this.life, subject);
    this.#call();
  }

  receive(id: SpiffeId, lifetime: number, late: boolean, random: number): void {
    const number = late ? this.number - 1 : this.number;
    const token: Token = { id, value: `${this.given.length}`, begunAt: this.now, expiresAt: this.now + lifetime };
    if (late || this.life.call.kind !== 'open') this.forbidden.add(token);
    this.life = afterReceived(this.life, number, token, { now: this.now, random });
    this.#call();
  }

  fail(withdraw: boolean, final: boolean, late: boolean): void {
    const isOpen = !late && this.life.call.kind === 'open';
    if (isOpen && withdraw && this.life.token !== undefined) this.forbidden.add(this.life.token);
    const failure = { reason: 'no', denied: withdraw, withdraw, final };
    this.life = afterFailed(this.life, late ? this.number - 1 : this.number, failure, { now: this.now, random: 0 });
    this.#call();
  }

  pass(ms: number): void {
    this.now += ms;
    this.life = afterTime(this.life, this.now);
    this.#call();
  }

  /** The clock goes on, and nobody looks: a timer may be late. */
  sleep(ms: number): void {
    this.now += ms;
  }

  #call(): void {
    if (!isCallDue(this.life, this.now)) return;
    expect(this.life.call.kind).not.toBe('open');
    this.number += 1;
    this.opened += 1;
    this.life = afterOpened(this.life, this.number);
  }

  check(): void {
    const token = servedToken(this.life, this.now);
    if (token === undefined) return;
    expect(token.expiresAt).toBeGreaterThan(this.now);
    expect(token.id).toBe(this.subject);
    expect(this.forbidden.has(token)).toBe(false);
  }
}

type Step = (play: Play) => void;
const lifetimes = fc.integer({ min: -MINUTE, max: 10 * MINUTE });
const steps: fc.Arbitrary<readonly Step[]> = fc.array(
  fc.oneof(
    fc.constant<Step>((play) => play.want()),
    fc.option(fc.constantFrom(...IDS), { nil: undefined }).map(
      (id): Step =>
        (play) =>
          play.identify(id),
    ),
    fc.tuple(fc.constantFrom(...IDS), lifetimes, fc.boolean(), fc.double({ min: 0, max: 0.999, noNaN: true })).map(
      ([id, lifetime, late, random]): Step =>
        (play) =>
          play.receive(id, lifetime, late, random),
    ),
    fc.tuple(fc.boolean(), fc.boolean(), fc.boolean()).map(
      ([withdraw, final, late]): Step =>
        (play) =>
          play.fail(withdraw, final, late),
    ),
    fc.nat(12 * MINUTE).map(
      (ms): Step =>
        (play) =>
          play.pass(ms),
    ),
    fc.nat(12 * MINUTE).map(
      (ms): Step =>
        (play) =>
          play.sleep(ms),
    ),
  ),
  { maxLength: 40 },
);

test('no expired, foreign or withdrawn token is served, and there is one call at a time', () => {
  fc.assert(
    fc.property(steps, (all) => {
      const play = new Play();
      for (const step of all) {
        step(play);
        play.check();
      }
    }),
    runs(3_000),
  );
});

test('a token that is wanted is always on its way, there, or given up', () => {
  fc.assert(
    fc.property(steps, (all) => {
      const play = new Play();
      for (const step of all) step(play);
      play.want();
      if (play.subject === undefined || play.life.call.kind === 'given up') return;
      // Time alone brings a call, with every wait as long as the life says itself.
      for (let looks = 0; play.life.call.kind !== 'open' && looks < 5; looks++) {
        const next = nextLook(play.life);
        expect(next).toBeLessThan(Number.POSITIVE_INFINITY);
        play.pass(Math.max(0, next - play.now));
      }
      expect(play.life.call.kind).toBe('open');
    }),
    runs(3_000),
  );
});

test('a token is replaced after half of its life and before three quarters of it', () => {
  fc.assert(
    fc.property(
      fc.integer({ min: MINUTE, max: 60 * MINUTE }),
      fc.double({ min: 0, max: 0.999, noNaN: true }),
      (lifetime, random) => {
        const play = new Play();
        play.identify(IDS[0]);
        play.want();
        play.receive(IDS[0] as SpiffeId, lifetime, false, random);
        play.want();
        const part = (nextLook(play.life) - play.now) / lifetime;
        expect(part).toBeGreaterThanOrEqual(0.5);
        expect(part).toBeLessThan(0.75);
      },
    ),
  );
});

test('nobody asks for a token that nobody wants any more', () => {
  const play = new Play();
  play.identify(IDS[0]);
  play.want();
  play.receive(IDS[0] as SpiffeId, 10 * MINUTE, false, 0);
  play.pass(9 * MINUTE);
  play.pass(2 * MINUTE);
  expect([play.opened, servedToken(play.life, play.now)]).toEqual([1, undefined]);
});
