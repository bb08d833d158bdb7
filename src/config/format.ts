/** A configuration in force as the file that would give it. */
import { Document, isScalar } from 'yaml';
import * as z from 'zod';
import type { LoadedConfiguration } from './load.ts';
import { configurationSchema } from './schema.ts';

/** YAML that loads as the same configuration, but for the values of headers, which can be tokens; each value's source is the comment at its end. */
export function formatConfiguration({ configuration, sources }: LoadedConfiguration): string {
  const document = new Document(z.encode(configurationSchema, configuration));
  for (const name of Object.keys(configuration.telemetry.otlp.headers)) {
    document.setIn(['telemetry', 'otlp', 'headers', name], '[redacted]');
  }
  for (const [path, source] of sources) {
    const node = document.getIn(path.split('.'), true);
    if (isScalar(node)) node.comment = ` ${source}`;
  }
  return document.toString({ lineWidth: 0 });
}
