/** The status page in a real browser, with a sidecar behind it. */
import type { Browser } from 'playwright-core';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { Status } from '../../../src/admin/status.ts';
import { accessibilityProblems, openPage, startBrowser } from '../../support/browser/browser.ts';
import { chromium, MISSING_BROWSER } from '../../support/browser/install.ts';
import { ManualClock } from '../../support/clocks/manual-clock.ts';
import { describeWith } from '../../support/describe-with.ts';
import { freePort } from '../../support/free-port.ts';
import { type ServingOptions, serving } from '../../support/sidecar/admin.ts';

const WEB = 'spiffe://example.org/web';
const HOUR = 3_600_000;
const WAIT_MS = 20_000;

describeWith(chromium(), MISSING_BROWSER)('the status page', () => {
  let browser: Browser;
  beforeAll(async () => {
    browser = await startBrowser();
  });
  afterAll(() => browser?.close());

  async function shown(options: ServingOptions = {}, context: Parameters<typeof openPage>[2] = {}) {
    const port = await freePort();
    await using stack = new AsyncDisposableStack();
    const admin = stack.use(await serving({ ...options, admin: () => ({ listen: `127.0.0.1:${port}` }) }));
    if (options.workload?.identities?.length !== 0) await admin.running.event('bundle_updated');
    const opened = stack.use(await openPage(browser, `http://127.0.0.1:${port}/`, context));
    await opened.page.locator('#contact', { hasText: 'live' }).waitFor({ timeout: WAIT_MS });
    const owned = stack.move();
    const has = (selector: string, text: string | RegExp) =>
      opened.page.locator(selector, { hasText: text }).first().waitFor({ timeout: WAIT_MS });
    const serial = async () =>
      ((await (await fetch(`http://127.0.0.1:${port}/v1/status`)).json()) as Status).identities[0]?.serial ?? '';
    return { ...opened, ...admin, serial, has, [Symbol.asyncDispose]: () => owned.disposeAsync() };
  }

  test('shows a sidecar with which nothing is the matter, and its console has nothing to say', async () => {
    await using it = await shown();
    await it.has('#ready', 'ready');
    await it.has('#problems', 'Nothing');
    await it.has('#way', 'connected');
    await it.has('#identities td', WEB);
    await it.has('#bundles td', 'example.org');
    expect(it.complaints).toEqual([]);
  });

  test('follows a rotation without being loaded again', async () => {
    await using it = await shown();
    const before = await it.serial();
    await it.has('#identities', before);
    await it.running.workloadApi.rotate();
    await it.running.event('svid_rotated');
    const after = await it.serial();
    await it.has('#identities', after);
    await it.has('#history td', 'rotated');
    expect([after === before, await it.page.locator('#identities', { hasText: before }).count()]).toEqual([false, 0]);
  });

  test('names an identity that has expired', async () => {
    const clock = new ManualClock();
    await using it = await shown({ clock, workload: { svidTtlMs: HOUR } });
    clock.advance(HOUR);
    await it.page.reload();
    await it.has('#ready', 'not ready');
    await it.has('#problems', `${WEB} has expired`);
    await it.has('#identities .state', 'expired');
    await it.has('#way', '1 expired');
  });

  test('names what is held, with the name that may be meant, and what was rejected, without keys', async () => {
    await using it = await shown();
    const stream = it.running.client.stream().request(['default', 'defualt'], { node: { id: 'edge <b>' } });
    const { nonce } = await stream.next();
    const message = 'refused\n-----BEGIN PRIVATE KEY-----\nMIGHAgEAMBMGByqGSM49\n-----END PRIVATE KEY-----';
    stream.request(['default', 'defualt'], { response_nonce: nonce, error_detail: { code: 13, message } });
    await it.running.event('secrets_rejected');
    await it.has('#problems', 'Is default meant?');
    await it.has('#problems', 'rejects default: refused');
    await it.has('#held td', 'defualt');
    await it.has('#nacks td', 'edge <b>');
    await it.has('#envoys .state', 'rejects');
    expect(await it.page.content()).not.toContain('MIGHAgEAMBMGByqGSM49');
    expect(await it.page.locator('main b').count()).toBe(0);
    stream.cancel();
  });

  test('says that it has lost the sidecar, and finds it again', async () => {
    const port = await freePort();
    const listening = () => serving({ admin: () => ({ listen: `127.0.0.1:${port}` }) });
    const first = await listening();
    await first.running.event('bundle_updated');
    await using opened = await openPage(browser, `http://127.0.0.1:${port}/`);
    const contact = (text: string) => opened.page.locator('#contact', { hasText: text }).waitFor({ timeout: WAIT_MS });
    await contact('live');
    await first[Symbol.asyncDispose]();
    await contact('Lost contact');
    await using _again = await listening();
    await contact('live');
    expect(opened.complaints.filter((text) => !text.includes('ERR_'))).toEqual([]);
  });

  test.each(['light', 'dark'] as const)(
    'is accessible in %s colours, with much to tell and with nothing',
    async (colorScheme) => {
      for (const identities of [[{ path: '/web' }, { path: '/api', hint: 'internal' }], []]) {
        await using it = await shown({ workload: { identities } }, { colorScheme });
        const stream = it.running.client.stream().request(['default', 'nobody'], { node: { id: 'edge' } });
        await it.has('#held td', 'nobody');
        expect(await accessibilityProblems(it.page)).toEqual([]);
        stream.cancel();
      }
    },
  );

  test('fits a telephone: nothing is wider than the window', async () => {
    await using it = await shown({}, { viewport: { width: 390, height: 844 } });
    await it.has('#identities td', WEB);
    expect(await it.page.evaluate('document.documentElement.scrollWidth')).toBe(390);
  });

  test('shows the rows that are searched for', async () => {
    await using it = await shown({ workload: { identities: [{ path: '/web' }, { path: '/api' }] } });
    await it.has('#identities td', '/api');
    await it.page.getByLabel('Show rows with').fill('/api');
    await it.page.locator('#identities tbody tr', { hasText: '/web' }).waitFor({ state: 'hidden', timeout: WAIT_MS });
    expect(await it.page.locator('#identities tbody tr', { hasText: '/api' }).isVisible()).toBe(true);
  });
});
