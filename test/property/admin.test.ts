/** Whatever is sent to the admin API, it stays what it is. */
import { once } from 'node:events';
import { connect } from 'node:net';
import { expect, test } from 'vitest';
import { fc, runs } from '../support/properties.ts';
import { serving } from '../support/sidecar/admin.ts';

const token = fc.oneof(
  fc.constantFrom(
    'GET',
    'HEAD',
    'POST',
    'CONNECT',
    'PRI',
    '/livez',
    '/v1/status?node=',
    '*',
    'http://x/livez',
    '//x',
    '/%',
    'HTTP/1.1',
  ),
  fc.string({ unit: 'binary', maxLength: 30 }),
);
const headers = [
  'Host: localhost',
  'Host:',
  'Connection: upgrade',
  'Upgrade: h2c',
  'Content-Length: 9',
  'Transfer-Encoding: chunked',
  'Expect: x',
];
const header = fc.oneof(fc.constantFrom(...headers), fc.string({ unit: 'binary', maxLength: 40 }));
const request = fc
  .tuple(fc.array(token, { maxLength: 4 }), fc.array(header, { maxLength: 5 }), fc.string({ unit: 'binary', maxLength: 40 }))
  .map(([line, fields, body]) => `${[line.join(' '), ...fields].join('\r\n')}\r\n\r\n${body}`);

test('no request keeps the next one from its answer, and none gets another kind of answer', async () => {
  await using admin = await serving();
  const { socketPath } = admin.to as { socketPath: string };
  const property = fc.asyncProperty(fc.array(request, { minLength: 1, maxLength: 3 }), async (requests) => {
    const client = connect(socketPath).on('error', () => undefined);
    let answers = '';
    client.setEncoding('latin1').on('data', (text) => {
      answers += text;
    });
    client.end(requests.join(''));
    await once(client, 'close');
    expect(answers === '' ? '200' : answers.slice('HTTP/1.1 '.length, 'HTTP/1.1 200'.length)).toMatch(
      /^(200|40[0458]|413|417|431)$/,
    );
    expect((await admin.get('/livez')).status).toBe(200);
  });
  await fc.assert(property, runs(300));
});
