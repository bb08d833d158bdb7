/** The status page in a real browser, with a sidecar behind it. */
import type { Browser } from 'playwright-core';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { Status } from '../../../src/admin/status.ts';
import { accessibilityProblems, openPage, startBrowser } from '../../support/browser/browser.ts';
import { chromium, MISSING_BROWSER } from '../../support/browser/install.ts';
import { PAGE_STATES, type PageStateName, pageState } from '../../support/browser/page-states.ts';
import { describeWith } from '../../support/describe-with.ts';
import { freePort } from '../../support/free-port.ts';
import { type ServingOptions, serving } from '../../support/sidecar/admin.ts';

const WEB = 'spiffe://example.org/web';
const STATIONS = ['Workload API', 'Identities', 'Names', 'Envoys'];
const HEADINGS = [
  'spiffe-sds',
  'What is the matter',
  'The way of an identity',
  'Pushes and answers, last hour',
  'Identities',
  'Envoys',
  'Held names',
  'Last NACKs',
  'Trust bundles',
  'History of the Workload API',
  'Names',
  'Configuration',
];
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

  /** The page of a sidecar in that state, with what helps to look at it. */
  async function stateShown(name: PageStateName, context: Parameters<typeof openPage>[2] = {}) {
    await using stack = new AsyncDisposableStack();
    const state = stack.use(await pageState(name));
    const opened = stack.use(await openPage(browser, state.url, context));
    const has = (selector: string, text: string | RegExp) =>
      opened.page.locator(selector, { hasText: text }).first().waitFor({ timeout: WAIT_MS });
    await has('#contact', 'live');
    const owned = stack.move();
    return { ...opened, state, has, [Symbol.asyncDispose]: () => owned.disposeAsync() };
  }

  test('names an identity that has expired, and since when', async () => {
    await using it = await stateShown('expired');
    await it.has('#ready', 'not ready');
    await it.has('#problems', new RegExp(`${WEB} has expired (now|\\d+s ago)`));
    await it.has('#identities .state', 'expired');
    await it.has('#way', '2 expired');
  });

  test('names what is held, with the name that may be meant', async () => {
    await using it = await stateShown('held');
    await it.has('#problems', 'Is default meant?');
    await it.has('#held td', 'defualt');
    await it.has('#envoys td', 'edge <b>');
    await it.has('#way', '1 waits');
    expect(await it.page.locator('main b').count()).toBe(0);
  });

  test('names what was rejected, without keys', async () => {
    await using it = await stateShown('nack');
    await it.has('#problems', 'rejects default: Failed to load certificate chain');
    await it.has('#nacks td', 'edge');
    await it.has('#envoys .state', 'rejects');
    expect(await it.page.content()).not.toContain('MIGHAgEAMBMGByqGSM49');
  });

  test('shows the workloads of node mode: who, what each has, the worst first', async () => {
    await using it = await stateShown('node');
    await it.has('#workloads tbody tr', 'pid 4005');
    const rows = await it.page.locator('#workloads tbody tr').allInnerTexts();
    expect(rows.map((row) => row.replaceAll(/\s+/g, ' '))).toEqual([
      expect.stringMatching(/pid 4003 uid 101 . expired spiffe:\/\/example\.org\/old .* ago example\.org connected/),
      expect.stringMatching(/pid 4004 uid 1000 . without an identity .* no registration entry matches this process/),
      expect.stringMatching(/pid 4005 uid 1001 . asking .* connecting/),
      expect.stringMatching(/pid 4001 uid 33 . valid spiffe:\/\/example\.org\/web in /),
      expect.stringMatching(/pid 4002 uid 1337 . valid spiffe:\/\/example\.org\/api spiffe:\/\/example\.org\/api-internal/),
    ]);
    const way = (await it.page.locator('#way > li').allInnerTexts()).map((text) => text.replaceAll(/\s+/g, ' '));
    expect(way).toEqual([
      expect.stringMatching(/^Workload API . connected/),
      expect.stringMatching(/^Identities . 1 expired 5 processes, 4 X509-SVIDs ended /),
      expect.stringMatching(/^Names . served each process has its own/),
      expect.stringMatching(/^Envoys . nobody asks/),
    ]);
    expect(await it.page.locator('#problems li').allInnerTexts()).toEqual([
      expect.stringContaining('an SVID of process 4003 of uid 101 has expired'),
      expect.stringContaining('process 4004 of uid 1000 is without an identity: no registration entry'),
    ]);
    expect(await it.page.locator('#names').isVisible()).toBe(false);
    await it.page.getByRole('link', { name: 'Identities', exact: true }).click();
    expect(new URL(it.page.url()).hash).toBe('#workloads');
  });

  test('says that it has lost the sidecar, does not call it ready, and finds it again', async () => {
    const port = await freePort();
    const listening = () => serving({ admin: () => ({ listen: `127.0.0.1:${port}` }) });
    const first = await listening();
    await first.running.event('bundle_updated');
    await using opened = await openPage(browser, `http://127.0.0.1:${port}/`);
    const has = (selector: string, text: string) =>
      opened.page.locator(selector, { hasText: text }).waitFor({ timeout: WAIT_MS });
    await has('#ready', '✓ ready');
    await first[Symbol.asyncDispose]();
    await has('#contact', 'Lost contact');
    await has('#ready', 'not known');
    await has('#problems', 'it does not answer');
    expect(await accessibilityProblems(opened.page)).toEqual([]);
    await using again = await listening();
    await again.running.event('bundle_updated');
    await has('#contact', 'live');
    await has('#ready', '✓ ready');
    expect(opened.complaints.filter((text) => !text.includes('ERR_'))).toEqual([]);
  });

  test.each(PAGE_STATES)('has nothing that axe finds, in both colours, on a screen and on a telephone: %s', async (name) => {
    await using it = await stateShown(name);
    for (const [colorScheme, width] of [
      ['light', 1440],
      ['dark', 390],
    ] as const) {
      await it.page.emulateMedia({ colorScheme });
      await it.page.setViewportSize({ width, height: 900 });
      expect([colorScheme, await accessibilityProblems(it.page)]).toEqual([colorScheme, []]);
      expect(await it.page.evaluate('document.documentElement.scrollWidth')).toBe(width);
    }
    expect(it.complaints).toEqual([]);
  });

  test('has nothing that axe finds where there is nothing to tell', async () => {
    await using it = await shown({ workload: { identities: [] } }, { colorScheme: 'dark' });
    await it.has('#problems', 'secrets');
    expect(await accessibilityProblems(it.page)).toEqual([]);
  });

  test('is read in the order in which it is seen, and all that can be used is reached by the keyboard in that order', async () => {
    await using it = await stateShown('healthy');
    const headings = await it.page.locator('h1:visible, h2:visible').allInnerTexts();
    expect(headings.map((text) => text.replace(/ \d+$/, ''))).toEqual(HEADINGS);
    const reached: string[] = [];
    while (reached.at(-1) !== 'v1/status') {
      await it.page.keyboard.press('Tab');
      const focused = it.page.locator(':focus');
      reached.push((await focused.getAttribute('id')) ?? (await focused.innerText()).replace(/ \d+$/, ''));
      if (reached.length > 50) throw new Error(`the keyboard does not come to the end: ${reached.join(', ')}`);
    }
    expect(reached).toEqual(['To the content', ...STATIONS, 'filter', ...HEADINGS.slice(4), 'v1/status']);
    await it.page.getByRole('link', { name: 'To the content' }).press('Enter');
    expect(await it.page.locator(':focus').getAttribute('id')).toBe('main');
  });

  test('tells a screen reader when contact is lost, and each row of a table by its columns', async () => {
    await using it = await stateShown('held');
    expect(await it.page.locator('#contact').getAttribute('role')).toBe('status');
    const table = it.page.getByRole('table', { name: 'Held names 2' });
    expect(await table.getByRole('columnheader').allInnerTexts()).toEqual(['Name', 'Waiting', 'Meant, perhaps']);
    expect(await table.getByRole('cell').allInnerTexts()).toEqual([
      'defualt',
      '1 stream',
      'default',
      'nobody',
      '1 stream',
      'no name is near',
    ]);
  });

  test('shows the rows that are searched for', async () => {
    await using it = await shown({ workload: { identities: [{ path: '/web' }, { path: '/api' }] } });
    await it.has('#identities td', '/api');
    await it.page.getByLabel('Show rows with').fill('/api');
    await it.page.locator('#identities tbody tr', { hasText: '/web' }).waitFor({ state: 'hidden', timeout: WAIT_MS });
    expect(await it.page.locator('#identities tbody tr', { hasText: '/api' }).isVisible()).toBe(true);
  });
});
