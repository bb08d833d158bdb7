/** What is read as a message is one, by a reading of the wire format that shares nothing with ours; and what is one is read. */
import { fromJSON } from '@grpc/proto-loader';
import { expect, test } from 'vitest';
import { descriptor } from '../../src/gen/descriptor.ts';
import type { Messages } from '../../src/gen/messages.ts';
import { decode, encode } from '../../src/wire/wire.ts';
import { MalformedMessage } from '../../src/wire/wire-format.ts';
import { fc, runs } from '../support/properties.ts';
import { isMessage, MESSAGES, messages } from '../support/sds/wire-reference.ts';

const RUNS = runs(3_000);
const loaded = fromJSON(descriptor, { defaults: true }) as Record<
  string,
  { serialize(message: object): Buffer; deserialize(bytes: Buffer): unknown }
>;

const named = fc.constantFrom(...MESSAGES.filter((name) => name in loaded));

interface Encoded {
  readonly name: keyof Messages;
  readonly bytes: Buffer;
}

const encoded: fc.Arbitrary<Encoded> = named.chain((name) =>
  messages(name).map((message) => ({ name, bytes: encode(name, message as never) })),
);

function parses({ name, bytes }: Encoded): boolean {
  try {
    decode(name, bytes);
    return true;
  } catch (error) {
    if (error instanceof MalformedMessage) return false;
    throw error;
  }
}

test('a message is written as protobufjs writes it, byte by byte: the version of a secret depends on that', () => {
  const given = named.chain((name) => messages(name).map((message) => ({ name, message })));
  fc.assert(
    fc.property(given, ({ name, message }) => {
      expect(encode(name, message as never)).toEqual(loaded[name]?.serialize(message));
    }),
    RUNS,
  );
});

test('a message says what protobufjs reads in it', () => {
  fc.assert(
    fc.property(encoded, ({ name, bytes }) => {
      expect(decode(name, bytes)).toEqual(loaded[name]?.deserialize(bytes));
    }),
    RUNS,
  );
});

test('a message that is cut at any byte is refused, or is a message', () => {
  fc.assert(
    fc.property(encoded, ({ name, bytes }) => {
      const cut = Array.from(bytes, (_, length) => bytes.subarray(0, length));
      expect(cut.filter((bytes) => parses({ name, bytes }))).toEqual(cut.filter((bytes) => isMessage(name, bytes)));
    }),
    runs(500),
  );
});

test('a message with some byte that is wrong is refused, or is a message', () => {
  const changes = fc.array(fc.tuple(fc.nat(), fc.oneof(fc.nat(255), fc.constantFrom(0, 0x7f, 0x80, 0xff))), {
    minLength: 1,
    maxLength: 4,
  });
  fc.assert(
    fc.property(encoded, changes, ({ name, bytes }, changes) => {
      const wrong = Buffer.from(bytes);
      for (const [at, byte] of changes) if (wrong.length > 0) wrong[at % wrong.length] = byte;
      expect(parses({ name, bytes: wrong })).toBe(isMessage(name, wrong));
    }),
    RUNS,
  );
});

test('bytes of any kind are refused, or are a message', () => {
  const bytes = fc.array(fc.oneof(fc.nat(127), fc.nat(255), fc.constantFrom(0x0a, 0x12, 0x1a, 1, 2, 0x0b, 0x0c)), {
    maxLength: 24,
  });
  fc.assert(
    fc.property(fc.constantFrom(...MESSAGES), bytes, (name, bytes) => {
      expect(parses({ name, bytes: Buffer.from(bytes) })).toBe(isMessage(name, Buffer.from(bytes)));
    }),
    runs(20_000),
  );
});
