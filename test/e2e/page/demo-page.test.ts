/** The page of the compose demo in a real browser; what its frontend has seen is made up. */
import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import type { Browser } from 'playwright-core';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { accessibilityProblems, openPage, startBrowser } from '../../support/browser/browser.ts';
import { chromium, MISSING_BROWSER } from '../../support/browser/install.ts';
import { describeWith } from '../../support/describe-with.ts';

const PAGE = await readFile(join(import.meta.dirname, '..', '..', '..', 'deploy', 'compose', 'demo', 'page.html'));
const WAIT_MS = 20_000;
const peer = { id: 'spiffe://example.org/web', serial: '0A', notAfter: '2030-01-01T00:00:00Z', rotations: 1 };
const SEEN = {
  answered: 7,
  failed: 0,
  lastFailure: '',
  well: true,
  frontend: peer,
  backend: peer,
  timeline: [{ at: '2029-12-31T23:00:00Z', who: 'backend', what: 'rotated to 0A' }],
  intruder: { attempts: [{ how: 'without a certificate', refused: 3, letIn: 0, reason: 'handshake failure' }] },
};

describeWith(chromium(), MISSING_BROWSER)("the demo's page", () => {
  let browser: Browser;
  beforeAll(async () => {
    browser = await startBrowser();
  });
  afterAll(() => browser?.close());

  async function shown(seen: object, colorScheme: 'light' | 'dark' = 'light') {
    const server = createServer(({ url }, response) => {
      response.setHeader('content-type', url === '/state' ? 'application/json' : 'text/html; charset=utf-8');
      response.end(url === '/state' ? JSON.stringify(seen) : PAGE);
    });
    await once(server.listen(0, '127.0.0.1'), 'listening');
    const close = () => {
      server.close();
      server.closeAllConnections();
    };
    const opened = await openPage(browser, `http://127.0.0.1:${(server.address() as AddressInfo).port}/`, { colorScheme });
    const has = (selector: string, text: string) =>
      opened.page.locator(selector, { hasText: text }).waitFor({ timeout: WAIT_MS });
    const dispose = async () => {
      close();
      await opened[Symbol.asyncDispose]();
    };
    return { ...opened, has, close, [Symbol.asyncDispose]: dispose };
  }

  test.each(['light', 'dark'] as const)(
    'tells who talks to whom, in words as well, and what happened, in %s colours',
    async (colours) => {
      await using it = await shown(SEEN, colours);
      await it.has('#call[data-state=ok]', 'answered');
      await it.has('#attempt[data-state=ok]', 'refused 3 times');
      await it.has('#timeline', 'backend: rotated to 0A');
      expect(await it.page.getByRole('img').getAttribute('aria-labelledby')).toBe('picture-words');
      expect(await it.page.getByRole('link', { name: 'status of its sidecar' }).count()).toBe(2);
      expect([it.complaints, await accessibilityProblems(it.page)]).toEqual([[], []]);
    },
  );

  test('shows in red what must not be: no answer, and an intruder who is let in', async () => {
    const attempts = [{ how: 'without a certificate', refused: 3, letIn: 1, reason: '' }];
    await using it = await shown({ ...SEEN, well: false, failed: 1, lastFailure: '503', intruder: { attempts } });
    await it.has('#call[data-state=bad]', 'no answer');
    await it.has('#attempt[data-state=bad]', 'let in 1 times');
  });

  test('says that it has lost the frontend', async () => {
    await using it = await shown(SEEN);
    await it.has('#timeline', 'rotated');
    it.close();
    await it.has('#lost', 'Lost contact with the frontend');
  });
});
