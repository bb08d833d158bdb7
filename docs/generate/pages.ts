/** What of docs/ is made from the code, by the name of the page. */

import { configurationJsonSchema } from '../../src/config/json-schema.ts';
import { roomsTable } from '../../test/architecture/rooms.ts';
import { auditPage } from './audit.ts';
import { configurationPage } from './configuration.ts';
import { errorsPage } from './errors.ts';
import { metricsPage } from './metrics.ts';
import { notRunPage } from './not-run.ts';

/** From the page as it is written to the page as it should be. */
type Page = (written: string) => string;

export const PAGES: Readonly<Record<string, Page>> = {
  'configuration.schema.json': () => `${JSON.stringify(configurationJsonSchema(), null, 2)}\n`,
  'configuration.md': configurationPage,
  'metrics.md': metricsPage,
  'audit.md': auditPage,
  'errors.md': errorsPage,
  'not-run.md': notRunPage,
  'architecture.md': (written) => withPart(written, 'rooms', roomsTable()),
};

/** A page with its part between `<!-- NAME: … -->` and `<!-- /NAME -->` made anew. */
function withPart(page: string, name: string, part: string): string {
  const place = new RegExp(`(<!-- ${name}: .* -->\n)[^]*(<!-- /${name} -->)`);
  if (!place.test(page)) throw new Error(`the page has no place for ${name}: <!-- ${name}: … --> and <!-- /${name} -->`);
  return page.replace(place, (_, begin, end) => `${begin}\n${part}\n\n${end}`);
}
