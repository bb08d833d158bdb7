import { expect, test } from 'vitest';
import { Delivery, type Subscriber } from '../../../../src/sds/delivery/delivery.ts';

/** A delivery whose turns of the event loop come when they are told to. */
class Turns {
  readonly delivered: number[] = [];
  readonly delivery: Delivery;
  readonly subscribers: readonly Subscriber[];
  readonly #turns: (() => void)[] = [];

  constructor(count: number) {
    this.delivery = new Delivery((turn) => this.#turns.push(turn));
    this.subscribers = Array.from({ length: count }, (_, index) => this.#subscriber(index));
    for (const subscriber of this.subscribers) this.delivery.add(subscriber);
  }

  get scheduled(): number {
    return this.#turns.length;
  }

  turn(): void {
    this.#turns.shift()?.();
  }

  finish(): void {
    while (this.scheduled > 0) this.turn();
  }

  #subscriber(index: number): Subscriber {
    return { awaitsBundle: false, deliver: () => this.delivered.push(index), end: () => {} };
  }
}

const range = (from: number, to: number) => Array.from({ length: to - from }, (_, index) => from + index);

test('nothing is delivered in the turn in which a change is announced', () => {
  const turns = new Turns(3);
  turns.delivery.announce();
  expect(turns.delivered).toEqual([]);
});

test('fifty get it in each turn', () => {
  const turns = new Turns(120);
  turns.delivery.announce();
  const counts = [1, 2, 3].map(() => {
    turns.turn();
    return turns.delivered.length;
  });
  expect(counts).toEqual([50, 100, 120]);
});

test('everyone gets it once', () => {
  const turns = new Turns(120);
  turns.delivery.announce();
  turns.finish();
  expect(turns.delivered).toEqual(range(0, 120));
});

test('a change that comes in between goes to everyone, and those who still waited get both at once', () => {
  const turns = new Turns(60);
  turns.delivery.announce();
  turns.turn();
  turns.delivery.announce();
  turns.finish();
  expect(turns.delivered).toEqual([...range(0, 50), ...range(0, 60)]);
});

test('a change that comes in between needs no turns of its own', () => {
  const turns = new Turns(60);
  turns.delivery.announce();
  turns.delivery.announce();
  expect(turns.scheduled).toBe(1);
});

test('a subscriber that left meanwhile gets nothing', () => {
  const turns = new Turns(3);
  turns.delivery.announce();
  turns.delivery.remove(turns.subscribers[1] as Subscriber);
  turns.finish();
  expect(turns.delivered).toEqual([0, 2]);
});

test('who left is not counted', () => {
  const turns = new Turns(3);
  turns.delivery.remove(turns.subscribers[1] as Subscriber);
  expect([turns.delivery.size, [...turns.delivery]]).toEqual([2, [turns.subscribers[0], turns.subscribers[2]]]);
});

test('a change without subscribers costs no turn', () => {
  const turns = new Turns(0);
  turns.delivery.announce();
  expect(turns.scheduled).toBe(0);
});

test('a change after the delivery of another is delivered again', () => {
  const turns = new Turns(1);
  turns.delivery.announce();
  turns.finish();
  turns.delivery.announce();
  turns.finish();
  expect(turns.delivered).toEqual([0, 0]);
});
