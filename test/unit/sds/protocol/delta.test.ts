/** Delta: the rules of incremental xDS, and of Envoy, one by one. */
import { describe, expect, test } from 'vitest';
import {
  type DeltaRequest,
  type DeltaState,
  heldNames,
  INITIAL_DELTA_STATE,
  next,
  receive,
} from '../../../../src/sds/protocol/delta.ts';
import type { ReceiveOptions } from '../../../../src/sds/protocol/name-state.ts';
import type { SecretsView } from '../../../../src/sds/protocol/view.ts';
import type { Secret } from '../../../../src/secrets/secret.ts';
import { NOTHING_YET, secret, view } from '../../../support/secrets/secrets.ts';

/** One stream and what was sent on it, as `name@version` and `-name`, a line for each response. */
class Stream {
  readonly sent: string[] = [];
  state: DeltaState = INITIAL_DELTA_STATE;
  view: SecretsView;
  readonly #options: ReceiveOptions;

  constructor(secrets: SecretsView | Readonly<Record<string, string>>, options: Partial<ReceiveOptions> = {}) {
    this.view = viewOf(secrets);
    this.#options = { answerEmptyRequest: true, recall: () => undefined, ...options };
  }

  request(request: Partial<DeltaRequest>): this {
    const empty = { subscribe: [], unsubscribe: [], initialVersions: {}, nonce: '', rejected: false };
    this.state = receive(this.state, { ...empty, ...request }, this.#options).state;
    return this.#send();
  }

  subscribe(...names: readonly string[]): this {
    return this.request({ subscribe: names });
  }

  /** Answers the newest response. */
  ack(): this {
    return this.request({ nonce: String(this.state.sequence) });
  }

  nack(): this {
    return this.request({ nonce: String(this.state.sequence), rejected: true });
  }

  change(secrets: SecretsView | Readonly<Record<string, string>>): this {
    this.view = viewOf(secrets);
    return this.#send();
  }

  #send(): this {
    for (let step = next(this.state, this.view); step !== undefined; step = next(this.state, this.view)) {
      this.state = step.state;
      const { secrets, removed } = step.response;
      this.sent.push(
        [...secrets.map(({ name, version }) => `${name}@${version}`), ...removed.map((name) => `-${name}`)].join(' '),
      );
    }
    return this;
  }
}

function viewOf(secrets: SecretsView | Readonly<Record<string, string>>): SecretsView {
  return typeof secrets['get'] === 'function' ? (secrets as SecretsView) : view(secrets as Readonly<Record<string, string>>);
}

/** A view in which these names are validation contexts. */
function bundles(versions: Readonly<Record<string, string>>): SecretsView {
  const plain = view(versions);
  const get = (name: string): Secret | undefined => {
    const found = plain.get(name);
    return found && { ...found, kind: 'validation_context' };
  };
  return { ...plain, get };
}

describe('a new stream', () => {
  test('gets what it subscribes to, one secret in each response', () => {
    expect(new Stream({ a: '1', b: '1' }).subscribe('a', 'b').sent).toEqual(['a@1', 'b@1']);
  });

  test('gets nothing for a name that it has in the current version', () => {
    expect(new Stream({ a: '1' }).request({ subscribe: ['a'], initialVersions: { a: '1' } }).sent).toEqual([]);
  });

  test('gets the current version of a name that it has in another', () => {
    expect(new Stream({ a: '2' }).request({ subscribe: ['a'], initialVersions: { a: '1' } }).sent).toEqual(['a@2']);
  });

  test('gets the removal of a name that it has', () => {
    expect(new Stream({ b: '1' }).request({ subscribe: ['a'], initialVersions: { a: '1' } }).sent).toEqual(['-a']);
  });

  test('gets no removal of a bundle that it has', () => {
    const request = { subscribe: ['spiffe://td'], initialVersions: { 'spiffe://td': '1' } };
    expect(new Stream({}).request(request).sent).toEqual([]);
  });

  test('gets no removal while nothing is known yet', () => {
    const stream = new Stream(NOTHING_YET).request({ subscribe: ['a'], initialVersions: { a: '1' } });
    expect(stream.sent).toEqual([]);
    expect(stream.change({ a: '1' }).sent).toEqual([]);
  });

  test('gets nothing for what it has but does not subscribe to', () => {
    expect(new Stream({ a: '2', b: '1' }).request({ subscribe: ['b'], initialVersions: { a: '1' } }).sent).toEqual(['b@1']);
  });

  test('that names nothing gets everything, now and later', () => {
    expect(new Stream({ a: '1' }).request({}).change({ a: '1', b: '1' }).sent).toEqual(['a@1', 'b@1']);
  });

  test('that names nothing gets nothing when that is turned off', () => {
    expect(new Stream({ a: '1' }, { answerEmptyRequest: false }).request({}).sent).toEqual([]);
  });

  test('that subscribes to "*" gets everything', () => {
    expect(new Stream({ a: '1' }, { answerEmptyRequest: false }).subscribe('*').sent).toEqual(['a@1']);
  });
});

describe('an unknown name', () => {
  test('is held, and answered when it appears', () => {
    const stream = new Stream({}).subscribe('a');
    expect(stream.sent).toEqual([]);
    expect(heldNames(stream.state, stream.view)).toEqual(['a']);
    expect(stream.change({ a: '1' }).sent).toEqual(['a@1']);
  });

  test('on demand is answered at once: there is none', () => {
    expect(new Stream(view({}, (name) => name === 'a')).subscribe('a', 'b').sent).toEqual(['-a']);
  });

  test('on demand is answered when it appears after that', () => {
    expect(new Stream(view({}, () => true)).subscribe('a').change({ a: '1' }).sent).toEqual(['-a', 'a@1']);
  });

  test('on demand is removed again when it is asked for again', () => {
    const stream = new Stream(view({}, () => true)).subscribe('a').request({ unsubscribe: ['a'] });
    expect(stream.subscribe('a').sent).toEqual(['-a', '-a']);
  });
});

describe('a subscription in mid-stream', () => {
  test('is answered', () => {
    expect(new Stream({ a: '1', b: '1' }).subscribe('a').ack().subscribe('b').sent).toEqual(['a@1', 'b@1']);
  });

  test('to a name that is subscribed already is answered, although nothing is new', () => {
    expect(new Stream({ a: '1' }).subscribe('a').ack().subscribe('a').sent).toEqual(['a@1', 'a@1']);
  });

  test('to a name that it has from an earlier stream is answered', () => {
    const stream = new Stream({ a: '1' }).request({ subscribe: ['a'], initialVersions: { a: '1' } });
    expect(stream.subscribe('a').sent).toEqual(['a@1']);
  });

  test('after an unsubscription is answered', () => {
    expect(
      new Stream({ a: '1' })
        .subscribe('a')
        .ack()
        .request({ unsubscribe: ['a'] })
        .subscribe('a').sent,
    ).toEqual(['a@1', 'a@1']);
  });

  test('together with an unsubscription of the same name is answered', () => {
    expect(
      new Stream({ a: '1' })
        .subscribe('a')
        .ack()
        .request({ unsubscribe: ['a'], subscribe: ['a'] }).sent,
    ).toEqual(['a@1', 'a@1']);
  });

  test.each(['', '99'])('is honoured with the nonce "%s"', (nonce) => {
    expect(new Stream({ a: '1', b: '1' }).subscribe('a').request({ subscribe: ['b'], nonce }).sent).toEqual(['a@1', 'b@1']);
  });

  test('counts although the request rejects a response', () => {
    const stream = new Stream({ a: '1', b: '1' }).subscribe('a').request({ subscribe: ['b'], nonce: '1', rejected: true });
    expect(stream.sent).toEqual(['a@1', 'b@1']);
  });
});

describe('an unsubscription', () => {
  test('ends the pushes', () => {
    expect(
      new Stream({ a: '1' })
        .subscribe('a')
        .request({ unsubscribe: ['a'] })
        .change({ a: '2' }).sent,
    ).toEqual(['a@1']);
  });

  test('from a name that was never subscribed to is ignored', () => {
    expect(
      new Stream({ a: '1' })
        .subscribe('a')
        .request({ unsubscribe: ['z'] })
        .change({ a: '2' }).sent,
    ).toEqual(['a@1', 'a@2']);
  });

  test('from "*" leaves the names', () => {
    const stream = new Stream({ a: '1', b: '1' }).subscribe('*', 'a').request({ unsubscribe: ['*'] });
    expect(stream.change({ a: '2', b: '1', c: '1' }).sent.slice(2)).toEqual(['a@2']);
  });
});

describe('a change', () => {
  test('sends what changed and nothing else', () => {
    expect(new Stream({ a: '1', b: '1' }).subscribe('a', 'b').change({ a: '1', b: '2' }).sent).toEqual(['a@1', 'b@1', 'b@2']);
  });

  test('that withdraws a certificate removes it once', () => {
    expect(new Stream({ a: '1' }).subscribe('a').ack().change({}).change({}).sent).toEqual(['a@1', '-a']);
  });

  test('that brings a withdrawn certificate back sends it', () => {
    expect(new Stream({ a: '1' }).subscribe('a').change({}).change({ a: '1' }).sent).toEqual(['a@1', '-a', 'a@1']);
  });

  test('that takes a bundle away removes nothing: Envoy would go on trusting it', () => {
    expect(new Stream(bundles({ a: '1' })).subscribe('a').ack().change(bundles({})).sent).toEqual(['a@1']);
  });
});

describe('a NACK', () => {
  test('is answered by other content only', () => {
    expect(new Stream({ a: '1' }).subscribe('a').nack().change({ a: '1' }).change({ a: '2' }).sent).toEqual(['a@1', 'a@2']);
  });

  test('of one secret leaves the others alone', () => {
    const stream = new Stream({ a: '1', b: '1' }).subscribe('a', 'b').request({ nonce: '1', rejected: true });
    expect(stream.change({ a: '1', b: '2' }).sent).toEqual(['a@1', 'b@1', 'b@2']);
  });

  test('is not overruled by asking again', () => {
    expect(new Stream({ a: '1' }).subscribe('a').nack().subscribe('a').sent).toEqual(['a@1']);
  });

  test('gives the last accepted content to a listener that asks', () => {
    expect(new Stream({ a: '1' }).subscribe('a').ack().change({ a: '2' }).nack().ack().subscribe('a').sent).toEqual([
      'a@1',
      'a@2',
      'a@1',
      'a@1',
    ]);
  });

  test('comes from a client that shows what it had, until it has answered the removal', () => {
    const stream = new Stream({ a: '1' }).subscribe('a').ack().change({});
    expect(stream.state.names.get('a')).toEqual({ removed: true, shown: '1' });
    expect(stream.ack().state.names.get('a')).toEqual({ removed: true });
  });

  test('of a removal is not answered', () => {
    expect(new Stream({ a: '1' }).subscribe('a').ack().change({}).nack().sent).toEqual(['a@1', '-a']);
  });

  test('names its culprit', () => {
    const { state } = new Stream({ a: '1' }).subscribe('a');
    const request = { subscribe: [], unsubscribe: [], initialVersions: {}, nonce: '1', rejected: true };
    expect(receive(state, request, { answerEmptyRequest: true, recall: () => undefined }).culprit).toEqual(secret('a', '1'));
  });
});

test('an Envoy that goes on where it was is not sent what it rejected on an earlier stream', () => {
  const stream = new Stream({ a: '2' }, { recall: () => ({ rejected: '2', accepted: secret('a', '1') }) });
  expect(stream.request({ subscribe: ['a'], initialVersions: { a: '1' } }).change({ a: '3' }).sent).toEqual(['a@3']);
});

test('an Envoy that has nothing is a new one and gets the newest', () => {
  const stream = new Stream({ a: '2' }, { recall: () => ({ rejected: '2', accepted: secret('a', '1') }) });
  expect(stream.subscribe('a').sent).toEqual(['a@2']);
});
