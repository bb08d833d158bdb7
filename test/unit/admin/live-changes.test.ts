import { once } from 'node:events';
import { createServer, type ServerResponse } from 'node:http';
import { type AddressInfo, connect } from 'node:net';
import { Writable } from 'node:stream';
import { expect, test } from 'vitest';
import { HEARTBEAT_MS, LiveChanges } from '../../../src/admin/live-changes.ts';
import { ManualClock } from '../../support/clocks/manual-clock.ts';

const SECOND = 1_000;
/** Bytes. */
const ROOM = 1_024;

function start() {
  const clock = new ManualClock();
  let [heard, looks] = [0, 0];
  const changes = new LiveChanges({
    heard() {
      looks += 1;
      return heard;
    },
    clock,
  });
  const add = (response: Writable) => changes.answer().live?.(response as ServerResponse);
  /** @param reads whether the other end takes what is written */
  const watch = (reads: boolean) => {
    const written: string[] = [];
    const response = new Writable({
      highWaterMark: ROOM,
      write(chunk, _, done) {
        written.push(String(chunk));
        if (reads) done();
      },
    });
    add(response);
    return { response, written };
  };
  const happen = (seconds: number) => {
    for (let second = 0; second < seconds; second++) {
      heard += 1;
      clock.advance(SECOND);
    }
  };
  return { clock, add, watch, happen, looks: () => looks };
}

test('a reader who does not read is dropped before much waits for him, and the others hear all', () => {
  const { watch, happen } = start();
  const [slow, good] = [watch(false), watch(true)];
  let most = 0;
  for (let second = 0; second < 3_600; second++) {
    happen(1);
    most = Math.max(most, slow.response.writableLength);
  }
  expect(slow.response.destroyed).toBe(true);
  expect(most).toBeLessThan(ROOM + 100);
  expect(good.response.destroyed).toBe(false);
  expect(good.written.at(-1)).toBe('event: change\ndata: 3600\n\n');
});

test('so is one behind a real socket, which takes much before it is full', async () => {
  const { add, happen } = start();
  const server = createServer((_, response) => add(response)).listen(0, '127.0.0.1');
  await once(server, 'listening');
  const client = connect((server.address() as AddressInfo).port, '127.0.0.1').pause();
  client.on('error', () => undefined).write('GET / HTTP/1.1\r\nhost: localhost\r\n\r\n');
  const [, response] = (await once(server, 'request')) as [unknown, ServerResponse];
  let most = 0;
  for (let turn = 0; turn < 10_000 && !response.destroyed; turn++) {
    happen(500);
    most = Math.max(most, response.writableLength + (response.socket?.writableLength ?? 0));
    await new Promise(setImmediate);
  }
  expect(response.destroyed).toBe(true);
  expect(most).toBeLessThan(256 * 1024);
  client.destroy();
  server.close();
});

test('however much happens, a reader is told once a second', () => {
  const { watch, happen, clock } = start();
  const { written } = watch(true);
  happen(1);
  const before = written.length;
  clock.advance(SECOND / 2);
  expect(written).toHaveLength(before);
  happen(10);
  expect(written).toHaveLength(before + 10);
});

test('when nothing happens he is told that the sidecar is there', () => {
  const { watch, happen, clock } = start();
  const { written } = watch(true);
  happen(1);
  const before = written.length;
  clock.advance(HEARTBEAT_MS);
  expect(written.slice(before)).toEqual(['event: change\ndata: 1\n\n']);
});

test('when the last has gone nobody looks any more', () => {
  const { watch, happen, looks } = start();
  watch(true).response.emit('close');
  const before = looks();
  happen(10);
  expect(looks()).toBe(before);
});
