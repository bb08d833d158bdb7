import { describe, expect, test } from 'vitest';
import { whoMakesRoom } from '../../../../src/server/grpc/room.ts';

/** `a1` is an idle connection of user 1, `A1` one with a stream; the digit counts. */
function guest(name: string) {
  const uid = name.toLowerCase().charCodeAt(0);
  return { name, inUse: name !== name.toLowerCase(), peer: { credentials: { uid } } };
}

function leaves(guests: string, comes: string): string | undefined {
  return whoMakesRoom(guests.split(' ').map(guest), comes.charCodeAt(0))?.name;
}

describe('room for one more connection is made by', () => {
  test.for([
    ['the oldest without a stream of the same user', 'A1 a2 a3', 'a', 'a2'],
    ['the oldest without a stream of the user who has most', 'b1 a1 a2 A3', 'c', 'a1'],
    ['a connection without a stream of another user who has more', 'A1 a2 B1', 'b', 'a2'],
    ['the newest of the user who has most, when each has a stream', 'A1 A2 A3 B1', 'b', 'A3'],
    ['the newest of the only other user', 'A1 A2', 'b', 'A2'],
  ] as const)('%s', ([, guests, comes, left]) => {
    expect(leaves(guests, comes)).toBe(left);
  });

  test.for([
    ['who has as many with streams', 'A1 A2', 'a'],
    ['who would have no fewer', 'A1 B1 B2', 'a'],
    ['who has fewer, though its connection has no stream', 'A1 A2 A3 b1', 'a'],
  ] as const)('nobody for a user %s', ([, guests, comes]) => {
    expect(leaves(guests, comes)).toBeUndefined();
  });
});
