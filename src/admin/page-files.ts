/**
 * The files of the status page. They are read when somebody asks for them, so that a sidecar at which nobody looks has none of them in memory. In a
 * release they lie beside the bundle; in a checkout the page's TypeScript is stripped of its types on the way.
 */
import { readdir, readFile } from 'node:fs/promises';
import { stripTypeScriptTypes } from 'node:module';
import { join } from 'node:path';
import { type Answer, text } from './read-only-server.ts';

export const PAGE_PATH = '/page/';
const FOLDER = join(import.meta.dirname, 'page');
const CONTENT_TYPES: Readonly<Record<string, string>> = {
  html: 'text/html; charset=utf-8',
  css: 'text/css; charset=utf-8',
  js: 'text/javascript; charset=utf-8',
  ts: 'text/javascript; charset=utf-8',
};
/** Nothing but the page's own files, and nothing inline. It is nobody's frame, and sends nothing anywhere. */
const HEADERS: Readonly<Record<string, string>> = {
  'content-security-policy': [
    "default-src 'none'",
    "script-src 'self'",
    "style-src 'self'",
    "connect-src 'self'",
    'img-src data:',
    "base-uri 'none'",
    "form-action 'none'",
    "frame-ancestors 'none'",
  ].join('; '),
  'referrer-policy': 'no-referrer',
  'cross-origin-resource-policy': 'same-origin',
  vary: 'accept',
};

/** Whether the Accept header is that of a browser that opens a page. */
export function wantsPage(accept: string): boolean {
  return accept.includes('text/html');
}

/** @param name `page.html`, or what it asks for */
export async function pageFile(name: string): Promise<Answer> {
  const names = await readdir(FOLDER).catch((): string[] => []);
  const [, base = '', extension = ''] = /^([a-z-]+)\.([a-z]+)$/.exec(name) ?? [];
  const contentType = CONTENT_TYPES[extension];
  // In a checkout there is page.ts for page.js.
  const found = [name, `${base}.ts`].find((file) => names.includes(file) && (file === name || extension === 'js'));
  if (contentType === undefined || found === undefined) return text(404, 'the status page has no such file\n');
  const content = await readFile(join(FOLDER, found), 'utf8');
  const body = found.endsWith('.ts') ? stripTypeScriptTypes(content) : content;
  return { status: 200, contentType, body, headers: HEADERS };
}
