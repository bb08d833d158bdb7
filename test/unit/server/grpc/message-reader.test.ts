import { describe, expect, test } from 'vitest';
import { MessageReader } from '../../../../src/server/grpc/message-reader.ts';
import { frameOf } from '../../../../src/wire/frame.ts';
import { fc } from '../../../support/properties.ts';

const MAX = 1_000;

/** What comes of chunks, and how much was held at most. */
function read(chunks: readonly Buffer[], reader = new MessageReader()) {
  const messages: Buffer[] = [];
  const sink = { open: true, message: (bytes: Buffer) => void messages.push(Buffer.from(bytes)) };
  let held = 0;
  for (const chunk of chunks) {
    const failure = reader.read(chunk, MAX, sink);
    if (failure !== undefined) return { failure, messages, held };
    held = Math.max(held, reader.held);
  }
  return { messages, held, left: reader.held };
}

test('messages come out as they went in, wherever the chunks end', () => {
  const message = fc.uint8Array({ maxLength: 200 }).map((bytes) => Buffer.from(bytes));
  fc.assert(
    fc.property(fc.array(message, { maxLength: 8 }), fc.array(fc.nat(1_500), { maxLength: 30 }), (sent, cuts) => {
      const bytes = Buffer.concat(sent.map((one) => frameOf(one)));
      const ends = [...new Set(cuts.map((cut) => Math.min(cut, bytes.length)))].toSorted((a, b) => a - b);
      const chunks = [0, ...ends].map((start, index) => bytes.subarray(start, ends[index] ?? bytes.length));
      expect(read(chunks)).toMatchObject({ messages: sent, left: 0 });
    }),
  );
});

test('never takes more than twice the memory of what has come of a message', () => {
  fc.assert(
    fc.property(fc.integer({ min: 1, max: MAX }), fc.integer({ min: 1, max: 50 }), (length, step) => {
      const bytes = frameOf(Buffer.alloc(length));
      const reader = new MessageReader();
      for (let at = 0; at + step < bytes.length; at += step) {
        read([bytes.subarray(at, at + step)], reader);
        expect(reader.held).toBeLessThanOrEqual(Math.max(2 * (at + step), 5));
      }
    }),
  );
});

test('what a prefix promises takes no memory', () => {
  const prefix = frameOf(Buffer.alloc(MAX)).subarray(0, 5);
  expect(read([prefix]).held).toBeLessThanOrEqual(10);
});

test('a small part of a large read does not keep the rest of it', () => {
  const large = Buffer.alloc(65_536);
  frameOf(Buffer.alloc(100)).copy(large, 0, 0, 50);
  const reader = new MessageReader();
  read([large.subarray(0, 50)], reader);
  expect(reader.held).toBeLessThanOrEqual(100);
});

describe.each([
  ['whole', (bytes: Buffer) => [bytes]],
  ['byte by byte', (bytes: Buffer) => [...bytes].map((byte) => Buffer.of(byte))],
])('a prefix that comes %s', (_, cut) => {
  test.each([
    ['that is compressed', Buffer.of(1, 0, 0, 0, 1, 0), 13, /compressed, but the call has no grpc-encoding/],
    ['with a flag that there is not', Buffer.of(2, 0, 0, 0, 1, 0), 13, /begins with 2/],
    ['of a message that is too large', Buffer.of(0, 0, 0, 3, 0xe9), 8, /has 1001 bytes, the limit is 1000/],
  ])('%s is refused', (_name, bytes, code, details) => {
    expect(read(cut(bytes))).toMatchObject({ failure: { code, details: expect.stringMatching(details) }, messages: [] });
  });

  test('of a message as large as it may be is taken', () => {
    expect(read(cut(frameOf(Buffer.alloc(MAX)))).messages).toHaveLength(1);
  });
});

test('what follows a message that closes its sink is dropped', () => {
  const messages: Buffer[] = [];
  const sink = {
    open: true,
    message(bytes: Buffer) {
      messages.push(bytes);
      sink.open = false;
    },
  };
  new MessageReader().read(Buffer.concat([frameOf(Buffer.of(1)), frameOf(Buffer.of(2))]), MAX, sink);
  expect(messages).toEqual([Buffer.of(1)]);
});
