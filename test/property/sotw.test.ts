/** State of the world against a model of the client: whatever the order of requests, changes, ACKs and NACKs, some things hold. */
import fc from 'fast-check';
import { test } from 'vitest';
import { INITIAL_SOTW_STATE, next, receive, type SotwResponse, type SotwState } from '../../src/sds/sotw.ts';
import { view } from '../support/secrets.ts';

const NAMES = ['a', 'b', 'c', 'd'];

type Step =
  | { readonly kind: 'subscribe'; readonly names: readonly string[] }
  | { readonly kind: 'change'; readonly name: string; readonly version: string | undefined }
  /** The client reads and answers the oldest response that it has not answered. */
  | { readonly kind: 'answer' };

const names = fc.subarray(NAMES, { minLength: 1 });
const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('subscribe' as const), names }) },
  {
    weight: 3,
    arbitrary: fc.record({
      kind: fc.constant('change' as const),
      name: fc.constantFrom(...NAMES),
      version: fc.option(fc.constantFrom('1', '2', '3', 'bad', 'worse'), { nil: undefined }),
    }),
  },
  { weight: 4, arbitrary: fc.constant<Step>({ kind: 'answer' }) },
);

/** An Envoy: applies what it can, rejects a response that holds something bad, and remembers the bytes it saw last. */
class Client {
  readonly has = new Map<string, string>();
  readonly rejected = new Map<string, string>();
  readonly inbox: SotwResponse[] = [];
  names: readonly string[] = [];

  /** @returns whether it rejects */
  read({ secrets }: SotwResponse): boolean {
    const bad = secrets.some(({ version }) => !/^\d$/.test(version));
    for (const { name, version } of secrets) {
      if (!bad) this.has.set(name, version);
      else this.rejected.set(name, version);
    }
    return bad;
  }
}

class World {
  state: SotwState = INITIAL_SOTW_STATE;
  readonly client = new Client();
  readonly secrets: Record<string, string> = {};
  readonly #lastSent = new Map<string, string>();
  readonly #everSent = new Set<string>();

  run(action: Step): void {
    switch (action.kind) {
      case 'change':
        if (action.version === undefined) delete this.secrets[action.name];
        else this.secrets[action.name] = action.version;
        break;
      case 'subscribe':
        this.client.names = action.names;
        this.#request('', false);
        break;
      case 'answer': {
        const response = this.client.inbox.shift();
        if (response !== undefined) this.#request(response.nonce, this.client.read(response));
      }
    }
    this.#send();
  }

  #request(nonce: string, rejected: boolean): void {
    this.state = receive(this.state, { names: this.client.names, nonce, rejected }, { answerEmptyRequest: true }).state;
    for (const name of [...this.#everSent]) {
      if (this.client.names.includes(name)) continue;
      this.#everSent.delete(name);
      this.#lastSent.delete(name);
    }
  }

  #send(): void {
    const due = next(this.state, view(this.secrets));
    if (due === undefined) return;
    this.state = due.state;
    this.#check(due.response);
    this.client.inbox.push(due.response);
  }

  #check({ secrets }: SotwResponse): void {
    const sent = secrets.map(({ name }) => name);
    if (new Set(sent).size !== sent.length) throw new Error(`a duplicate in ${sent}`);
    if (sent.some((name) => !this.client.names.includes(name)))
      throw new Error(`${sent} was not asked for: ${this.client.names}`);
    if (secrets.every(({ name, version }) => this.#lastSent.get(name) === version)) throw new Error(`nothing new in ${sent}`);
    for (const { name, version } of secrets) {
      this.#lastSent.set(name, version);
      this.#everSent.add(name);
    }
  }
}

test('nothing unasked, no duplicate, and never a response without something new', () => {
  fc.assert(
    fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
      const world = new World();
      for (const action of steps) world.run(action);
    }),
    { numRuns: 1_000 },
  );
});

test('a client ends up with the newest of every name when nothing is bad', () => {
  const good = fc.array(
    step.filter((action) => action.kind !== 'change' || action.version === undefined || /^\d$/.test(action.version)),
    { maxLength: 60 },
  );
  fc.assert(
    fc.property(good, names, (steps, last) => {
      const world = new World();
      for (const action of [...steps, { kind: 'subscribe', names: last } as const]) world.run(action);
      while (world.client.inbox.length > 0) world.run({ kind: 'answer' });
      for (const name of last) {
        const newest = world.secrets[name];
        if (newest !== undefined && world.client.has.get(name) !== newest) throw new Error(`${name} is not ${newest}`);
      }
    }),
    { numRuns: 1_000 },
  );
});

test('bytes that were rejected on a stream of one name are not sent again while they are the newest', () => {
  const changes = fc.array(fc.constantFrom('1', '2', 'bad', 'worse', undefined), { maxLength: 40 });
  fc.assert(
    fc.property(changes, (versions) => {
      const world = new World();
      world.run({ kind: 'subscribe', names: ['a'] });
      for (const version of versions) {
        const rejected = world.client.rejected.get('a');
        world.run({ kind: 'change', name: 'a', version });
        const resent = world.client.inbox.some(({ secrets }) => secrets[0]?.version === rejected);
        if (rejected !== undefined && resent && world.secrets['a'] === rejected && world.client.has.get('a') === undefined) {
          throw new Error(`${rejected} was sent again`);
        }
        while (world.client.inbox.length > 0) world.run({ kind: 'answer' });
      }
    }),
    { numRuns: 500 },
  );
});
