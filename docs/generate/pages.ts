/** The pages that are made from the code, by their names in docs/. */
import { auditPage } from './audit.ts';
import { configurationPage } from './configuration.ts';
import { errorsPage } from './errors.ts';
import { configurationJsonSchema } from './json-schema.ts';
import { metricsPage } from './metrics.ts';

export const PAGES = {
  'configuration.schema.json': () => `${JSON.stringify(configurationJsonSchema(), null, 2)}\n`,
  'configuration.md': configurationPage,
  'metrics.md': metricsPage,
  'audit.md': auditPage,
  'errors.md': errorsPage,
} as const satisfies Readonly<Record<string, () => string>>;
