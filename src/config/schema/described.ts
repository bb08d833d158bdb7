/** What is said of a value in docs/configuration.md and, by the JSON Schema beside that page, in an editor. */
import * as z from 'zod';

/** Keywords of JSON Schema. */
export interface About {
  /** Whole sentences. */
  readonly description: string;
  /** What kind of text it is, where `string` says too little. */
  readonly title?: string;
  /** A regular expression that every text matches that is taken; it may match some that are not. */
  readonly pattern?: string;
  readonly examples?: readonly string[];
  /** Exactly one of these mappings must fit. */
  readonly oneOf?: readonly { readonly required: readonly string[] }[];
}

/** The same schema, with what is said of it. It must not be shared by two keys. */
export function described<Schema extends z.ZodType>(schema: Schema, about: About): Schema {
  z.globalRegistry.add(schema, { ...about });
  return schema;
}
