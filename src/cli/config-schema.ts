import { configurationJsonSchema } from '../config/json-schema.ts';

/** Prints the JSON Schema of the configuration file. */
export function configSchema(): void {
  process.stdout.write(`${JSON.stringify(configurationJsonSchema(), null, 2)}\n`);
}
