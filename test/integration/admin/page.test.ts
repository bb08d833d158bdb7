/** What the admin API gives a browser that opens the status page: its files, and the stream that tells of changes. */
import { once } from 'node:events';
import { type IncomingMessage, request } from 'node:http';
import { expect, test } from 'vitest';
import { MAX_WATCHERS } from '../../../src/admin/live-changes.ts';
import { eventually } from '../../support/eventually.ts';
import { ask, type Serving, serving } from '../../support/sidecar/admin.ts';

const BROWSER = { host: 'localhost', accept: 'text/html,application/xhtml+xml' };

/** Somebody who watches. It reads only when it is told to. */
async function watch({ to }: Serving): Promise<IncomingMessage> {
  const asking = request({ ...to, path: '/v1/changes', agent: false, headers: { host: 'localhost' } });
  asking.on('error', () => undefined);
  asking.end();
  const [response] = await once(asking, 'response');
  response.on('error', () => undefined);
  return response;
}

test('a browser gets a page at /, which may load nothing but its own files; others get a list of paths', async () => {
  await using admin = await serving();
  const page = await ask(admin.to, '/', { headers: BROWSER });
  expect(page).toMatchObject({
    status: 200,
    headers: { 'content-type': 'text/html; charset=utf-8', 'cache-control': 'no-store' },
  });
  expect(page.headers['content-security-policy']).toMatch(
    /^default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'/,
  );
  expect(page.body).not.toMatch(/https?:\/\/(?!www\.w3\.org)|<style|style=|onclick|<script>/);
  expect((await admin.get('/')).body).toMatch(/^GET \/ .*\nGET \/livez/);
});

test.each([
  ['page.js', 'text/javascript; charset=utf-8'],
  ['page.css', 'text/css; charset=utf-8'],
])('%s is there', async (name, type) => {
  await using admin = await serving();
  expect(await admin.get(`/page/${name}`)).toMatchObject({ status: 200, headers: { 'content-type': type } });
});

test.each(['', '../page-files.ts', '..%2fpage-files.ts', 'page.txt', 'tsconfig.json', 'nothing.js'])(
  'no other file is: %s',
  async (name) => {
    await using admin = await serving();
    expect((await admin.get(`/page/${name}`)).status).toBe(404);
  },
);

test('who watches is told at once, and again when something has happened', async () => {
  await using admin = await serving();
  await admin.running.event('svid_received');
  const response = await watch(admin);
  expect(response.headers['content-type']).toBe('text/event-stream');
  let heard = '';
  response.setEncoding('utf8').on('data', (text) => {
    heard += text;
  });
  await eventually('the first word', async () => /^event: change\ndata: \d+\n\n/.test(heard) || undefined);
  const before = admin.running.observed.heard;
  await admin.running.workloadApi.rotate();
  await admin.running.event('svid_rotated');
  await eventually('another word', async () => Number(/(\d+)\n\n$/.exec(heard)?.[1]) > before || undefined);
  response.destroy();
});

test('no more watch than there are places, one who leaves makes room, and probes are answered all the while', async () => {
  await using admin = await serving();
  const watching = await Promise.all(Array.from({ length: MAX_WATCHERS }, () => watch(admin)));
  expect((await admin.get('/v1/changes')).status).toBe(503);
  expect((await admin.get('/livez')).status).toBe(200);
  watching[0]?.destroy();
  const next = await eventually('room', async () => {
    const response = await watch(admin);
    return response.statusCode === 200 ? response : undefined;
  });
  for (const response of [...watching, next]) response.destroy();
});

test('closing the admin API ends those who watch', async () => {
  await using admin = await serving();
  const response = await watch(admin);
  response.resume();
  const closed = new Promise((resolve) => response.once('close', resolve));
  await Promise.all([closed, admin.api.close()]);
  expect(response.complete).toBe(false);
});

test('the listener for probes has no page and no changes', async () => {
  await using admin = await serving({ admin: (folder) => ({ listen: '', probes: `unix://${folder}/admin.sock` }) });
  for (const path of ['/', '/page/page.js', '/v1/changes'])
    expect((await ask(admin.to, path, { headers: BROWSER })).status).toBe(404);
});
