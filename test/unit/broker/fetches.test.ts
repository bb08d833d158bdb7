/** What several workloads share, and what is made of two streams. */
import { status } from '@grpc/grpc-js';
import { describe, expect, test } from 'vitest';
import { joined, shared } from '../../../src/broker/fetches.ts';
import { PlayedFetch } from '../../support/workload-api/played-fetch.ts';

describe('a shared stream', () => {
  test('is one call, whose messages all get', () => {
    const agent = new PlayedFetch<number>();
    const fetch = shared(agent.fetch);
    const [first, second] = [new Heard(), new Heard()];
    fetch(first);
    fetch(second);
    agent.call.message(1);
    expect([agent.calls.length, first.messages, second.messages]).toEqual([1, [1], [1]]);
  });

  test('tells who comes later its newest message, once the fetch has returned', async () => {
    const agent = new PlayedFetch<number>();
    const fetch = shared(agent.fetch);
    fetch(new Heard());
    agent.call.message(1);
    agent.call.message(2);
    const late = new Heard();
    fetch(late);
    expect(late.messages).toEqual([]);
    await Promise.resolve();
    expect(late.messages).toEqual([2]);
  });

  test('is closed with its last listener, and opened anew by the next', async () => {
    const agent = new PlayedFetch<number>();
    const fetch = shared(agent.fetch);
    const [cancel, alsoCancel] = [fetch(new Heard()), fetch(new Heard())];
    agent.call.message(1);
    cancel();
    expect(agent.call.cancelled).toBe(false);
    alsoCancel();
    expect(agent.call.cancelled).toBe(true);
    const next = new Heard();
    fetch(next);
    await Promise.resolve();
    expect([agent.calls.length, next.messages]).toEqual([2, []]);
  });

  test('ends for all, and a listener may open it again at once', () => {
    const agent = new PlayedFetch<number>();
    const fetch = shared(agent.fetch);
    const again = new Heard();
    fetch({ message: () => undefined, end: () => void fetch(again) });
    const other = new Heard();
    fetch(other);
    agent.call.end(status.UNAVAILABLE, 'gone');
    expect(other.ended).toBe(status.UNAVAILABLE);
    agent.call.message(3);
    expect([agent.calls.length, again.messages]).toEqual([2, [3]]);
  });
});

describe('two streams that are one', () => {
  const setUp = () => {
    const [keys, rest] = [new PlayedFetch<{ key: Uint8Array; of: string }>(), new PlayedFetch<Record<string, string>>()];
    const fetch = joined(keys.fetch, rest.fetch, {
      select: ({ of }, all) => all[of],
      same: (before, after) => before === after,
      join: ({ of }, text) => `${of}: ${text}`,
      forget: ({ key }) => key.fill(0),
    });
    const heard = new Heard<string>();
    return { keys, rest, heard, cancel: fetch(heard) };
  };
  const key = () => Uint8Array.of(1, 2, 3);
  const WIPED = Uint8Array.of(0, 0, 0);

  test('say nothing before both have', () => {
    const { keys, rest, heard } = setUp();
    rest.call.message({ a: 'one' });
    expect(heard.messages).toEqual([]);
    keys.call.message({ key: key(), of: 'a' });
    expect(heard.messages).toEqual(['a: one']);
  });

  test('say again what the second changes of it, and nothing else', () => {
    const { keys, rest, heard } = setUp();
    keys.call.message({ key: key(), of: 'a' });
    rest.call.message({ a: 'one', b: 'one' });
    rest.call.message({ a: 'one', b: 'two' });
    expect(heard.messages).toEqual(['a: one']);
    rest.call.message({ a: 'two', b: 'two' });
    expect(heard.messages).toEqual(['a: one', 'a: two']);
  });

  test('end together with the first that ends', () => {
    const { keys, rest, heard } = setUp();
    rest.call.end(status.PERMISSION_DENIED, 'no delegate');
    expect([heard.ended, keys.call.cancelled]).toEqual([status.PERMISSION_DENIED, true]);
  });

  test('overwrite the keys of a message that was replaced, and of the last when nobody listens any more', () => {
    const { keys, cancel } = setUp();
    const [old, last] = [key(), key()];
    keys.call.message({ key: old, of: 'a' });
    expect(old).toEqual(key());
    keys.call.message({ key: last, of: 'a' });
    expect([old, last]).toEqual([WIPED, key()]);
    cancel();
    expect(last).toEqual(WIPED);
  });
});

class Heard<Message = number> {
  readonly messages: Message[] = [];
  ended: status | undefined;

  message(message: Message): void {
    this.messages.push(message);
  }

  end(code: status): void {
    this.ended = code;
  }
}
