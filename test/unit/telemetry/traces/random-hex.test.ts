import { expect, test } from 'vitest';
import { pooledHex } from '../../../../src/telemetry/traces/random-hex.ts';

/** Bytes that count up, over all that was asked for. */
function counting() {
  let next = 0;
  return (size: number) => Buffer.from(Uint8Array.from({ length: size }, () => next++ & 0xff));
}

test('identifiers are as long as asked for, and no random byte is used twice', () => {
  const hex = pooledHex(counting());
  expect([hex(2), hex(3), hex(1)]).toEqual(['0001', '020304', '05']);
});

test('when what is left is not enough there is a new pool', () => {
  let asked = 0;
  const hex = pooledHex((size) => {
    asked += 1;
    return Buffer.alloc(size, asked);
  });
  const all = Array.from({ length: 4096 / 8 + 1 }, () => hex(8));
  expect([asked, all.at(-2), all.at(-1)]).toEqual([2, '01'.repeat(8), '02'.repeat(8)]);
});
