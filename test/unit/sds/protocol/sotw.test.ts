/** State of the world: the rules of the xDS protocol, and of Envoy, one by one. */
import { describe, expect, test } from 'vitest';
import type { ReceiveOptions } from '../../../../src/sds/protocol/name-state.ts';
import { heldNames, next, receive } from '../../../../src/sds/protocol/sotw.ts';
import { INITIAL_SOTW_STATE, type SotwState } from '../../../../src/sds/protocol/sotw-state.ts';
import type { SecretsView } from '../../../../src/sds/protocol/view.ts';
import { secret, view } from '../../../support/secrets/secrets.ts';

/** One stream and what was sent on it, as `name@version` lists. */
class Stream {
  readonly sent: string[] = [];
  state: SotwState = INITIAL_SOTW_STATE;
  #view: SecretsView;
  readonly #options: ReceiveOptions;

  constructor(secrets: Readonly<Record<string, string>>, options: Partial<ReceiveOptions> = {}) {
    this.#view = view(secrets);
    this.#options = { answerEmptyRequest: true, recall: () => undefined, ...options };
  }

  request(names: readonly string[], nonce = '', rejected = false): this {
    this.state = receive(this.state, { names, nonce, rejected }, this.#options).state;
    return this.#send();
  }

  /** Answers the newest response. */
  ack(names: readonly string[]): this {
    return this.request(names, String(this.state.sequence));
  }

  nack(names: readonly string[]): this {
    return this.request(names, String(this.state.sequence), true);
  }

  change(secrets: Readonly<Record<string, string>>): this {
    this.#view = view(secrets);
    return this.#send();
  }

  get held(): readonly string[] {
    return heldNames(this.state, this.#view);
  }

  #send(): this {
    const step = next(this.state, this.#view);
    if (step === undefined) return this;
    this.state = step.state;
    this.sent.push(step.response.secrets.map(({ name, version }) => `${name}@${version}`).join(' '));
    return this;
  }
}

describe('the first request', () => {
  test('is answered', () => {
    expect(new Stream({ a: '1' }).request(['a']).sent).toEqual(['a@1']);
  });

  test('is answered whatever nonce it brings from an earlier stream', () => {
    expect(new Stream({ a: '1' }).request(['a'], '7').sent).toEqual(['a@1']);
  });

  test('is answered although it says that it rejects: it answers nothing on this stream', () => {
    expect(new Stream({ a: '1' }).request(['a'], '1', true).sent).toEqual(['a@1']);
  });

  test('for an unknown name is held, and answered when the name appears', () => {
    const stream = new Stream({}).request(['a']);
    expect(stream.sent).toEqual([]);
    expect(stream.held).toEqual(['a']);
    expect(stream.change({ a: '1' }).sent).toEqual(['a@1']);
    expect(stream.held).toEqual([]);
  });

  test('for several names gets those that are known, and the others later beside them', () => {
    const stream = new Stream({ a: '1' }).request(['a', 'b']);
    expect(stream.change({ a: '1', b: '1' }).sent).toEqual(['a@1', 'a@1 b@1']);
  });

  test('that names a secret twice gets it once', () => {
    expect(new Stream({ a: '1' }).request(['a', 'a']).sent).toEqual(['a@1']);
  });

  test('without names gets everything, now and later', () => {
    const stream = new Stream({ a: '1', b: '1' }).request([]).ack([]);
    expect(stream.change({ a: '1', b: '1', c: '1' }).sent).toEqual(['a@1 b@1', 'a@1 b@1 c@1']);
  });

  test('without names gets nothing when that is turned off', () => {
    expect(new Stream({ a: '1' }, { answerEmptyRequest: false }).request([]).sent).toEqual([]);
  });
});

describe('an ACK', () => {
  test('is not answered', () => {
    expect(new Stream({ a: '1' }).request(['a']).ack(['a']).sent).toEqual(['a@1']);
  });

  test('that adds a name gets all of its names', () => {
    expect(new Stream({ a: '1', b: '1' }).request(['a']).ack(['a', 'b']).sent).toEqual(['a@1', 'a@1 b@1']);
  });

  test('that drops a name is not answered', () => {
    expect(new Stream({ a: '1', b: '1' }).request(['a', 'b']).ack(['a']).sent).toEqual(['a@1 b@1']);
  });

  test('without names unsubscribes from all: it is no wildcard', () => {
    const stream = new Stream({ a: '1' }).request(['a']).ack([]);
    expect(stream.change({ a: '2' }).sent).toEqual(['a@1']);
  });

  test('answers the response that its nonce names, also when newer ones are on their way', () => {
    const stream = new Stream({ a: '1' }).request(['a']).change({ a: '2' }).request(['a'], '1');
    expect(stream.state.unanswered.map(({ nonce }) => nonce)).toEqual(['2']);
    expect(stream.sent).toEqual(['a@1', 'a@2']);
  });
});

describe('an ACK that is said again', () => {
  test('is answered once with the same content: another listener waits for it', () => {
    const stream = new Stream({ a: '1' }).request(['a']).ack(['a']);
    expect(stream.request(['a'], '1').request(['a'], '1').sent).toEqual(['a@1', 'a@1']);
  });

  test('of the answer to that is answered again', () => {
    const stream = new Stream({ a: '1' }).request(['a']).ack(['a']).request(['a'], '1').ack(['a']);
    expect(stream.request(['a'], '2').sent).toEqual(['a@1', 'a@1', 'a@1']);
  });

  test('of a rejected response is not', () => {
    expect(new Stream({ a: '1' }).request(['a']).nack(['a']).request(['a'], '1').request(['a'], '1').sent).toEqual(['a@1']);
  });
});

describe('a subscription', () => {
  test.each(['', '1', '99'])('with the nonce "%s" is not taken while a newer response is unanswered', (nonce) => {
    const stream = new Stream({ a: '1', b: '1' }).request(['a']).change({ a: '2', b: '1' });
    expect(stream.request(['a', 'b'], nonce).sent).toEqual(['a@1', 'a@2']);
    expect(stream.ack(['a', 'b']).sent).toEqual(['a@1', 'a@2', 'a@2 b@1']);
  });

  test('that drops all is not taken with a stale nonce', () => {
    const stream = new Stream({ a: '1' }).request(['a']).request([], '');
    expect(stream.change({ a: '2' }).sent).toEqual(['a@1', 'a@2']);
  });

  test('counts whatever its nonce before anything was sent', () => {
    expect(new Stream({ b: '1' }).request(['a']).request(['a', 'b'], '').sent).toEqual(['b@1']);
  });

  test.each(['', '1'])('with the nonce "%s" counts when every response is answered, as Envoy says it after a NACK', (nonce) => {
    const stream = new Stream({ a: '1', b: '1' }).request(['a']).ack(['a']).change({ a: '2', b: '1' }).nack(['a']).ack(['a']);
    expect(stream.request(['a', 'b'], nonce).sent.at(-1)).toBe('a@1 b@1');
  });

  test('is taken from the answer to the newest response, also when many before it were never answered', () => {
    const stream = new Stream({ a: '0', b: '1' }).request(['a']);
    for (let version = 1; version <= 40; version++) stream.change({ a: String(version), b: '1' });
    expect(stream.ack(['a', 'b']).sent.at(-1)).toBe('a@40 b@1');
  });

  test('to a name that was dropped is answered again', () => {
    expect(new Stream({ a: '1' }).request(['a']).ack([]).request(['a'], '1').sent).toEqual(['a@1', 'a@1']);
  });

  test('hears of its own names only', () => {
    expect(new Stream({ a: '1', b: '1' }).request(['a']).change({ a: '1', b: '2' }).sent).toEqual(['a@1']);
  });
});

describe('a change', () => {
  test('is sent with all names of the stream', () => {
    const stream = new Stream({ a: '1', b: '1' }).request(['a', 'b']).ack(['a', 'b']);
    expect(stream.change({ a: '1', b: '2' }).sent).toEqual(['a@1 b@1', 'a@1 b@2']);
  });

  test('sends along what Envoy has of a name that is gone meanwhile', () => {
    const stream = new Stream({ a: '1', b: '1' }).request(['a', 'b']).ack(['a', 'b']);
    expect(stream.change({ b: '2' }).sent).toEqual(['a@1 b@1', 'a@1 b@2']);
  });

  test('that only takes a name away sends nothing', () => {
    expect(new Stream({ a: '1' }).request(['a']).ack(['a']).change({}).sent).toEqual(['a@1']);
  });

  test('before the first request sends nothing', () => {
    expect(new Stream({ a: '1' }).change({ a: '2' }).sent).toEqual([]);
  });
});

describe('a NACK', () => {
  test('is not answered with the same bytes, nor is a later request', () => {
    expect(new Stream({ a: '1' }).request(['a']).nack(['a']).request(['a'], '1').sent).toEqual(['a@1']);
  });

  test('is answered when the content changes', () => {
    expect(new Stream({ a: '1' }).request(['a']).nack(['a']).change({ a: '2' }).sent).toEqual(['a@1', 'a@2']);
  });

  test('is forgotten when other content has gone out', () => {
    const stream = new Stream({ a: '1' }).request(['a']).nack(['a']).change({ a: '2' }).ack(['a']);
    expect(stream.change({ a: '1' }).sent).toEqual(['a@1', 'a@2', 'a@1']);
  });

  test('of a response that a newer one overtook counts for its bytes', () => {
    const stream = new Stream({ a: '1', b: '1' }).request(['a', 'b']).ack(['a', 'b']);
    stream.change({ a: '2', b: '1' }).change({ a: '2', b: '2' }).request(['a', 'b'], '2', true);
    expect(stream.change({ a: '2', b: '3' }).sent.at(-1)).toBe('a@1 b@3');
  });

  test('leaves the last accepted content in later responses', () => {
    const stream = new Stream({ a: '1', b: '1' }).request(['a', 'b']).ack(['a', 'b']);
    stream.change({ a: '2', b: '1' }).nack(['a', 'b']);
    expect(stream.change({ a: '2', b: '2' }).sent).toEqual(['a@1 b@1', 'a@2 b@1', 'a@1 b@1', 'a@1 b@2']);
  });
});

describe('a NACK of several changed secrets', () => {
  const names = ['a', 'b', 'c'];

  /** All three are accepted in version 1, then rejected in version 2. */
  function rejected(): Stream {
    const stream = new Stream({ a: '1', b: '1', c: '1' }).request(names).ack(names);
    return stream.change({ a: '2', b: '2', c: '2' }).nack(names);
  }

  test('goes back to the good content, because Envoy would acknowledge bytes that it has just seen', () => {
    expect(rejected().sent.slice(2)).toEqual(['a@1 b@1 c@1']);
  });

  test('is followed by one changed secret at a time, each beside the last good of the others', () => {
    const stream = rejected().ack(names).ack(names).nack(names).ack(names);
    expect(stream.sent.slice(3)).toEqual(['a@2 b@1 c@1', 'a@2 b@2 c@1', 'a@2 b@1 c@2']);
  });

  test('waits for each answer', () => {
    const stream = rejected();
    expect(stream.change({ a: '2', b: '2', c: '3' }).sent.slice(3)).toEqual([]);
  });

  test('ends when the culprit is known: later changes go out together', () => {
    const stream = rejected().ack(names).ack(names).nack(names).ack(names);
    expect(stream.change({ a: '3', b: '3', c: '2' }).sent.at(-1)).toBe('a@3 b@3 c@2');
  });

  test('of names that were never good sends them again together: Envoy passes over what it has seen', () => {
    const stream = new Stream({ a: '1', b: '1' }).request(['a', 'b']).nack(['a', 'b']);
    expect(stream.ack(['a', 'b']).sent).toEqual(['a@1 b@1', 'a@1 b@1']);
  });

  test('of names that were never good tries them without each other when it is said once more than there are names', () => {
    const both = ['a', 'b'];
    const stream = new Stream({ a: '1', b: '1' }).request(both).nack(both).nack(both).nack(both);
    expect(stream.nack(both).ack(both).sent).toEqual(['a@1 b@1', 'a@1 b@1', 'a@1 b@1', 'a@1', 'b@1']);
  });

  test('does not let go of a name whose content was withdrawn meanwhile', () => {
    const stream = new Stream({ a: '1', b: '1' }).request(['a', 'b']).nack(['a', 'b']).change({ b: '2' });
    expect(stream.ack(['a', 'b']).sent).toEqual(['a@1 b@1', 'a@1 b@1', 'a@1 b@2']);
  });

  test('is no proof against a secret beside which a name is missing that was sent before', () => {
    const names = ['a', 'b'];
    const stream = new Stream({ a: '1' }).request(names).nack(names).change({ a: '1', b: '1' });
    expect(stream.nack(names).ack(names).sent).toEqual(['a@1', 'b@1', 'b@1']);
  });

  test('names the culprit when it is found', () => {
    const { state } = rejected().ack(names);
    const options = { answerEmptyRequest: true, recall: () => undefined };
    expect(receive(state, { names, nonce: String(state.sequence), rejected: true }, options).culprit).toEqual(secret('a', '2'));
  });
});

describe('what an earlier stream of the same Envoy came to', () => {
  test('is what it gets instead of the bytes that it rejected', () => {
    const recall = () => ({ rejected: '2', accepted: secret('a', '1') });
    expect(new Stream({ a: '2' }, { recall }).request(['a']).sent).toEqual(['a@1']);
  });

  test('holds it when nothing good is known, until there is new content', () => {
    const stream = new Stream({ a: '2' }, { recall: () => ({ rejected: '2' }) }).request(['a']);
    expect(stream.sent).toEqual([]);
    expect(stream.change({ a: '3' }).sent).toEqual(['a@3']);
  });
});
