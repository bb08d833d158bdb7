/** Descriptions of values for docs/configuration.md and for the JSON Schema, which editors show. */
import * as z from 'zod';

/** Some keywords of JSON Schema. */
export interface About {
  /** Whole sentences. */
  readonly description: string;
  /** The kind of text, when `string` is not specific enough. */
  readonly title?: string;
  /** A regular expression that matches every accepted text. It may also match texts that are refused. */
  readonly pattern?: string;
  readonly examples?: readonly string[];
  /** Exactly one of these mappings must fit. */
  readonly oneOf?: readonly { readonly required: readonly string[] }[];
}

/** Adds a description to a schema and returns it. Two keys must not share the schema. */
export function described<Schema extends z.ZodType>(schema: Schema, about: About): Schema {
  z.globalRegistry.add(schema, { ...about });
  return schema;
}
