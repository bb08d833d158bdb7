/** The schema of the configuration file as JSON Schema, for editors. */
import * as z from 'zod';
import { configurationSchema } from './schema/schema.ts';

/** A JSON Schema, as far as the pages read it. */
export interface JsonSchema {
  readonly title?: string;
  readonly description?: string;
  readonly type?: string | readonly string[];
  readonly enum?: readonly string[];
  readonly default?: unknown;
  readonly properties?: Readonly<Record<string, JsonSchema>>;
  readonly items?: JsonSchema;
  readonly anyOf?: readonly JsonSchema[];
  readonly [keyword: string]: unknown;
}

/** What a file may hold; what a flag or a variable may hold is the same as text. */
export function configurationJsonSchema(): JsonSchema {
  const {
    $schema,
    properties = {},
    ...rest
  } = z.toJSONSchema(configurationSchema, {
    io: 'input',
    target: 'draft-7',
    // It would mean that an editor must not change it.
    override: ({ jsonSchema }) => {
      delete jsonSchema.readOnly;
    },
  }) as JsonSchema;
  return {
    $schema,
    title: 'spiffe-sds',
    description: 'The configuration file of spiffe-sds.',
    ...rest,
    properties: Object.fromEntries(Object.entries(properties).map(([key, section]) => [key, orEmpty(section)])),
  };
}

/** A section whose keys are all commented out reads as null, and counts as absent. */
function orEmpty(section: JsonSchema): JsonSchema {
  if (section.anyOf !== undefined) return { ...section, anyOf: [...section.anyOf, { type: 'null' }] };
  return section.type === 'object' || section.type === 'array' ? { ...section, type: [section.type, 'null'] } : section;
}
