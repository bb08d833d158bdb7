import { isLive } from '../../src/config/changes.ts';
import { formatConfiguration } from '../../src/config/format.ts';
import { configurationJsonSchema, type JsonSchema } from '../../src/config/json-schema.ts';
import { loadConfiguration } from '../../src/config/load.ts';
import { SETTINGS } from '../../src/config/source/sources.ts';
import { PRESETS, type PresetName, prefixesOf } from '../../src/config/values/presets.ts';
import { code, fence, MADE, table } from './markdown.ts';

const HEAD = `# Configuration

A file is not needed: the environment alone can say where the Workload API is, and everything else has a default. A value comes from the first
of these that has it: a flag, a variable of the environment, the file, the file's preset, the defaults. An empty variable counts as unset.
\`spiffe-sds check\` prints the configuration that \`serve\` would use, and where each value comes from.

The file is named by \`--config\` or \`SPIFFE_SDS_CONFIG\`. It is YAML. An unknown key is an error, which names its line and the nearest key
that there is.

The sidecar reads the file again when it has changed, and at SIGHUP. Where it says **live** below, a change is applied while running, to open
streams, too. Any other change is told in the log, and waits for a restart. A file that cannot be used changes nothing: the log says why, and
\`spiffe.configuration.valid\` is 0.

## In an editor

[configuration.schema.json](configuration.schema.json) is a JSON Schema of the file. An editor with the YAML language server checks the file
and completes keys when this is its first line, with the path or the URL of the schema:

\`\`\`yaml
# yaml-language-server: $schema=docs/configuration.schema.json
\`\`\`

It accepts every file that the sidecar accepts. The sidecar is stricter: it also knows which names are the same, which groups exist, which
regular expressions Envoy reads, and how long a path may be.

## How values are written

| | |
|---|---|
| duration | whole numbers with the units \`d\`, \`h\`, \`m\`, \`s\`, \`ms\`, the largest unit first: \`200ms\`, \`5s\`, \`1m30s\` |
| size | a whole number and one of the units \`B\`, \`KiB\`, \`MiB\`, \`GiB\`: \`64KiB\`, \`1MiB\`; 1KiB is 1024 bytes |
| file mode | an octal string in quotes: \`"0660"\` |
| pattern | \`*\` stands for any number of any characters, upper and lower case are the same unless the key says otherwise: \`"*.example.org"\` |
| address | \`unix:///absolute/path\` or \`tcp://IP:PORT\`; an IPv6 address stands in brackets |
`;

export function configurationPage(): string {
  const root = configurationJsonSchema();
  const sections = Object.entries(root.properties ?? {}).map(([key, section]) => sectionOf(key, section));
  return [
    MADE,
    HEAD,
    ...sections,
    `\n## Presets\n\nWhat \`names.preset\` gives, unless the file says otherwise:\n\n${presets()}`,
    `\n## The defaults as a file\n\nWhat \`spiffe-sds check\` prints when nothing is set but the Workload API:\n\n${defaults()}`,
  ].join('');
}

function sectionOf(key: string, section: JsonSchema): string {
  const about = `\n## ${key}\n\n${section.description}${settingText(key)}\n`;
  const [alone, list] = section.anyOf ?? [];
  if (alone?.properties !== undefined && list?.items !== undefined)
    return `${about}\n${tableOf([...rowsOf([key], alone), ...rowsOf([`${key}[]`], list.items)])}`;
  if (section.properties !== undefined) return `${about}\n${tableOf(rowsOf([key], section))}`;
  if (section.items === undefined) return `\n## ${key}\n\n${tableOf([row([key], section)])}`;
  return `${about}${section.title === undefined ? '' : `\nEach has:\n`}\n${tableOf(rowsOf([], section.items))}`;
}

/** Whether a change of the whole section is live. */
function settingText(key: string): string {
  return isLive(key) ? ' **live**' : '';
}

function tableOf(rows: readonly (readonly string[])[]): string {
  return table(['key', 'value', 'default', 'flag, variable', ''], rows);
}

/** Of all values below a mapping; a list of mappings has its own keys below it. */
function rowsOf(path: readonly string[], schema: JsonSchema): readonly (readonly string[])[] {
  const required = Array.isArray(schema['required']) ? (schema['required'] as readonly string[]) : [];
  return Object.entries(schema.properties ?? {}).flatMap(([key, value]) => {
    const below = value.items?.properties === undefined ? value : value.items;
    const at = [...path, key];
    const rows = below.properties === undefined ? [] : rowsOf(below === value ? at : [...path, `${key}[]`], below);
    return value.properties === undefined || value['additionalProperties'] !== false
      ? [row(at, value, required.includes(key)), ...rows]
      : [[code(at.join('.')), choice(value), '', '', sentence(at, value)], ...rows];
  });
}

function row(path: readonly string[], schema: JsonSchema, isRequired = false): readonly string[] {
  return [
    code(path.join('.')),
    kind(schema),
    isRequired ? 'required' : shown(schema.default),
    given(path),
    sentence(path, schema),
  ];
}

function sentence(path: readonly string[], { description = '' }: JsonSchema): string {
  return `${description}${isLive(path.join('.')) && (path.length === 1 || !isLive(path[0] ?? '')) ? ' **live**' : ''}`;
}

/** Of a mapping that must have one of its keys: that. */
function choice({ oneOf }: JsonSchema): string {
  if (!Array.isArray(oneOf)) return 'section';
  return `one of ${oneOf.map(({ required }: { required: readonly string[] }) => required.map(code).join(', ')).join(', ')}`;
}

function kind(schema: JsonSchema): string {
  if (schema.enum !== undefined) return schema.enum.map(code).join(', ');
  if (schema.title !== undefined) return schema.title;
  if (schema.type === 'integer') return `whole number from ${schema['minimum']}`;
  return { string: 'text', boolean: '`true`, `false`' }[String(schema.type)] ?? String(schema.type);
}

function shown(value: unknown): string {
  return value === undefined ? '' : code(JSON.stringify(value));
}

function given(path: readonly string[]): string {
  const setting = SETTINGS.find(({ section, key }) => `${section}.${key}` === path.join('.'));
  if (setting === undefined) return '';
  const { flag, variable } = setting;
  return [...(flag === undefined ? [] : [`--${flag.replaceAll('_', '-')}`]), variable].map(code).join(', ');
}

function presets(): string {
  const keys = Object.keys(PRESETS.spire.names) as readonly (keyof typeof PRESETS.spire.names)[];
  const rows = (Object.keys(PRESETS) as readonly PresetName[]).map((name) => [
    code(name),
    ...keys.map((key) => code(JSON.stringify(PRESETS[name].names[key]))),
    prefixesOf(name).map(code).join(', ') || 'none',
  ]);
  return table(['preset', ...keys.map(code), 'prefixes that every name is served with, too'], rows);
}

function defaults(): string {
  const env = { SPIFFE_ENDPOINT_SOCKET: 'unix:///run/spire/agent/api.sock' };
  return fence('yaml', formatConfiguration(loadConfiguration({ flags: {}, env, readFile: () => '' })));
}
