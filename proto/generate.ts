/**
 * A buf plugin: reads a CodeGeneratorRequest from stdin and answers with src/gen/messages.ts (the message types as
 * src/wire/wire.ts writes and reads them) and src/gen/descriptor.ts (what it does so by).
 */
import { readFileSync, writeSync } from 'node:fs';
import protobuf from 'protobufjs';
import 'protobufjs/ext/descriptor/index.js';

interface Field {
  readonly name: string;
  readonly number: number;
  readonly label?: number;
  readonly type: number;
  readonly typeName?: string;
  readonly oneofIndex?: number;
}
interface Message {
  readonly name: string;
  readonly field: readonly Field[];
  readonly nestedType: readonly Message[];
  readonly options?: { readonly mapEntry?: boolean };
}
interface File {
  readonly package?: string;
  readonly messageType: readonly Message[];
}

const REPEATED = 3;
const TYPE_MESSAGE = 11;
const SCALARS: Readonly<Record<number, string>> = {
  1: 'number',
  4: 'number',
  3: 'number',
  5: 'number',
  8: 'boolean',
  9: 'string',
  12: 'Uint8Array',
  13: 'number',
  14: 'number',
};

const { root } = protobuf.parse(`
  syntax = "proto3";
  message Request { repeated bytes proto_file = 15; }
  message Response { uint64 supported_features = 2; repeated File file = 15; message File { string name = 1; string content = 15; } }
`);
const FileDescriptorProto = (protobuf as unknown as { descriptor: Record<string, protobuf.Type> }).descriptor[
  'FileDescriptorProto'
] as protobuf.Type;

const request = root.lookupType('Request').decode(readFileSync(0)) as unknown as {
  readonly protoFile: readonly Uint8Array[];
};
const files = request.protoFile.map((bytes) => {
  const file = FileDescriptorProto.decode(bytes) as unknown as File & { sourceCodeInfo?: unknown };
  delete file.sourceCodeInfo;
  return file;
});

const messages = new Map<string, Message>();
for (const file of files) collect(file.package ? `.${file.package}` : '', file.messageType);

function collect(scope: string, types: readonly Message[]): void {
  for (const type of types) {
    messages.set(`${scope}.${type.name}`, type);
    collect(`${scope}.${type.name}`, type.nestedType);
  }
}

/** `.envoy.config.core.v3.Node` and `.SpiffeX.Y` become `Node` and `SpiffeXY`: packages are lower case, messages are not. */
function shortName(fullName: string): string {
  return fullName
    .split('.')
    .filter((part) => /^[A-Z]/.test(part))
    .join('');
}

const shortNames = [...messages].filter(([, { options }]) => !options?.mapEntry).map(([fullName]) => shortName(fullName));

/** When packages have the same short name: `.spire.api.types.X509SVID` becomes `SpireX509SVID`, beside `.X509SVID`, which has no package. */
function typeName(fullName: string): string {
  const short = shortName(fullName);
  const [root = ''] = fullName.slice(1).split('.');
  const isShared = shortNames.filter((name) => name === short).length > 1;
  return isShared && /^[a-z]/.test(root) ? `${root[0]?.toUpperCase()}${root.slice(1)}${short}` : short;
}

function fieldType(field: Field): string {
  const target = field.typeName === undefined ? undefined : messages.get(field.typeName);
  if (target?.options?.mapEntry) {
    const value = target.field.find(({ name }) => name === 'value') as Field;
    return `{ readonly [key: string]: ${fieldType(value)} }`;
  }
  const single = field.type === TYPE_MESSAGE ? typeName(field.typeName as string) : SCALARS[field.type];
  if (single === undefined) throw new Error(`${field.name}: protobuf type ${field.type} is not handled in proto/generate.ts`);
  return field.label === REPEATED ? `readonly ${single}[]` : single;
}

function declaration(fullName: string, message: Message): string {
  const lines = message.field.map((field) => {
    const inOneof = Object.hasOwn(field, 'oneofIndex');
    const nullable = field.type === TYPE_MESSAGE && field.label !== REPEATED && !inOneof ? ' | null' : '';
    return `  readonly ${field.name}${inOneof ? '?' : ''}: ${fieldType(field)}${nullable};`;
  });
  return `/** ${fullName.slice(1)} */\nexport interface ${typeName(fullName)} {\n${lines.map((line) => `${line}\n`).join('')}}\n`;
}

const declarations = [...messages]
  .filter(([, message]) => !message.options?.mapEntry)
  .map(([fullName, message]) => declaration(fullName, message));
const byName = [...messages]
  .filter(([, message]) => !message.options?.mapEntry)
  .map(([fullName]) => `  readonly '${fullName.slice(1)}': ${typeName(fullName)};`);

const types = (protobuf.Root as unknown as { fromDescriptor(set: object): protobuf.Root })
  .fromDescriptor({ file: files })
  .resolveAll();
for (const [fullName, message] of messages) {
  for (const field of message.field) {
    if (!messages.get(field.typeName ?? '')?.options?.mapEntry) continue;
    // protobufjs takes a map from a descriptor for the repeated entries that it is on the wire.
    const type = types.lookupType(fullName);
    const entry = types.lookupType(field.typeName as string);
    const { key, value } = entry.fields as { readonly [name: string]: protobuf.Field };
    type.remove(type.fields[field.name] as protobuf.Field).remove(entry);
    type.add(new protobuf.MapField(field.name, field.number, (key as protobuf.Field).type, (value as protobuf.Field).type));
  }
}

const header = '// Written by proto/generate.ts from proto/. Not committed: `npm run generate`.\n\n';
const output = root
  .lookupType('Response')
  .encode({
    supportedFeatures: 1,
    file: [
      {
        name: 'messages.ts',
        content: `${header}${declarations.join('\n')}\n/** Every message by its full name. */\nexport interface Messages {\n${byName.join('\n')}\n}\n`,
      },
      {
        name: 'descriptor.ts',
        content: `${header}/** The same as a protobufjs JSON descriptor. */\nexport const descriptor = JSON.parse(${JSON.stringify(JSON.stringify(types))});\n`,
      },
    ],
  })
  .finish();
writeSync(1, output);
