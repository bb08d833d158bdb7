/** A real browser, and what it has to say of a page. */
import { createRequire } from 'node:module';
import { type Browser, type BrowserContextOptions, type Page, chromium as playwright } from 'playwright-core';
import { CHROMIUM } from './install.ts';

const AXE = createRequire(import.meta.url).resolve('axe-core/axe.min.js');
const RULES = ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice'];

export interface OpenedPage extends AsyncDisposable {
  readonly page: Page;
  /** Errors and warnings of its console, and what was thrown. */
  readonly complaints: readonly string[];
}

/** No sandbox: tests of containers are run as root. */
export function startBrowser(): Promise<Browser> {
  return playwright.launch({ executablePath: CHROMIUM, args: ['--no-sandbox', '--disable-dev-shm-usage'] });
}

export async function openPage(browser: Browser, url: string, options: BrowserContextOptions = {}): Promise<OpenedPage> {
  // For axe alone, which is put into the page; that the page keeps to its policy shows where nothing is put in.
  const context = await browser.newContext(options);
  const page = await context.newPage();
  const complaints: string[] = [];
  page.on('console', (message) => {
    if (['error', 'warning'].includes(message.type())) complaints.push(message.text());
  });
  page.on('pageerror', ({ message }) => complaints.push(message));
  await page.goto(url);
  return { page, complaints, [Symbol.asyncDispose]: () => context.close() };
}

/** What axe finds, as sentences: the rule, and where. */
export async function accessibilityProblems(page: Page): Promise<readonly string[]> {
  await page.evaluate(await readAxe());
  return page.evaluate(async (tags) => {
    const { violations } = await (globalThis as unknown as Axe).axe.run({ runOnly: { type: 'tag', values: tags } });
    return violations.flatMap(({ id, nodes }) =>
      nodes.map(({ target, failureSummary }) => `${id}: ${target}: ${failureSummary}`),
    );
  }, RULES);
}

interface Axe {
  readonly axe: {
    run(options: object): Promise<{
      readonly violations: readonly {
        readonly id: string;
        readonly nodes: readonly { readonly target: readonly string[]; readonly failureSummary: string }[];
      }[];
    }>;
  };
}

async function readAxe(): Promise<string> {
  const { readFile } = await import('node:fs/promises');
  return readFile(AXE, 'utf8');
}
