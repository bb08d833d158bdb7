/** docs/access.md shows rules, and says who gets what by them. */
import { chmod } from 'node:fs/promises';
import { dirname } from 'node:path';
import { expect, test } from 'vitest';
import { PeerProcessClient } from '../../support/access/peer.ts';
import { fencesOf } from '../../support/documents/document.ts';
import { startRunning } from '../../support/sidecar/sidecar.ts';

const [example] = fencesOf('docs/access.md').filter(({ check }) => check === 'config');
/** Only root can become somebody else. */
const isRoot = process.getuid?.() === 0;

test.runIf(isRoot)('the rules of docs/access.md give what the page says', async () => {
  await using running = await startRunning({}, example?.text);
  await chmod(dirname(running.socket), 0o755);
  const names = ['default', 'ROOTCA', 'ALL'];
  const { socket } = running;
  const got = async (uid: number, groups: readonly number[]) => {
    await using peer = new PeerProcessClient({ socket, uid, gid: uid, groups, names });
    return (await peer.next()).got;
  };
  expect(await got(101, [2000])).toEqual(['default', 'ROOTCA']);
  expect(await got(300, [2000])).toEqual(['ROOTCA', 'ALL']);
  await using stranger = new PeerProcessClient({ socket, uid: 300, gid: 300, asks: 'bytes' });
  expect(await stranger.next()).toMatchObject({ bytes: 0 });
});
