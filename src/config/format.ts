/** Writes the effective configuration as a configuration file. */
import { Document, isScalar } from 'yaml';
import * as z from 'zod';
import type { LoadedConfiguration } from './load.ts';
import { type Configuration, configurationSchema } from './schema/schema.ts';

/** YAML that loads as the same configuration, except the values of OTLP headers. A comment after each value names its source. */
export function formatConfiguration({ configuration, sources }: LoadedConfiguration): string {
  const document = new Document(shownConfiguration(configuration));
  for (const [path, source] of sources) {
    const node = document.getIn(path.split('.'), true);
    if (isScalar(node)) node.comment = ` ${source}`;
  }
  return document.toString({ lineWidth: 0 });
}

/** The configuration in the form of a file. The values of OTLP headers are redacted, because they can be tokens. */
export function shownConfiguration(configuration: Configuration): z.input<typeof configurationSchema> {
  const file = z.encode(configurationSchema, configuration);
  const headers = Object.keys(configuration.telemetry.otlp.headers).map((name) => [name, '[redacted]']);
  return { ...file, telemetry: { ...file.telemetry, otlp: { ...file.telemetry?.otlp, headers: Object.fromEntries(headers) } } };
}
