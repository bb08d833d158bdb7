/**
 * The wire format of protobuf once more, written to be compared with: slow, plain, and by the words of the specification. And messages, valid
 * ones, to try it on.
 */

import { descriptor } from '../../../src/gen/descriptor.ts';
import type { Messages } from '../../../src/gen/messages.ts';
import type { Namespace } from '../../../src/wire/wire-types.ts';
import { fc } from '../properties.ts';

type FieldDescriptor = NonNullable<Namespace['fields']>[string];

/** Full name by type. */
const TYPES: ReadonlyMap<string, Namespace> = new Map(collect(descriptor, ''));
export const MESSAGES = [...TYPES].filter(([, { fields }]) => fields !== undefined).map(([name]) => name as keyof Messages);

function collect(namespace: Namespace, scope: string): [string, Namespace][] {
  return Object.entries(namespace.nested ?? {}).flatMap(([name, type]) => [
    [scope + name, type],
    ...collect(type, `${scope}${name}.`),
  ]);
}

/** Whether the bytes are a message of that type. */
export function isMessage(name: string, bytes: Uint8Array): boolean {
  try {
    parse(TYPES.get(name)?.fields ?? {}, [...bytes]);
    return true;
  } catch {
    return false;
  }
}

function parse(fields: NonNullable<Namespace['fields']>, bytes: number[]): void {
  const byNumber = new Map(Object.values(fields).map((field) => [BigInt(field.id), field]));
  while (bytes.length > 0) {
    const tag = varint(bytes);
    const payload = value(tag, bytes);
    const field = byNumber.get(tag >> 3n);
    if (field !== undefined && payload !== undefined) check(field, payload);
  }
}

/** @returns what a length stood before */
function value(tag: bigint, bytes: number[]): number[] | undefined {
  const number = tag >> 3n;
  if (number < 1n || number >= 1n << 29n) throw new Error('field number');
  switch (tag & 7n) {
    case 0n:
      varint(bytes);
      return undefined;
    case 1n:
      take(bytes, 8n);
      return undefined;
    case 2n:
      return take(bytes, varint(bytes));
    case 3n:
      for (let inner = varint(bytes); ; inner = varint(bytes)) {
        if ((inner & 7n) === 4n && inner >> 3n === number) return undefined;
        value(inner, bytes);
      }
    case 5n:
      take(bytes, 4n);
      return undefined;
    default:
      throw new Error('wire type');
  }
}

function check({ type, keyType }: FieldDescriptor, payload: number[]): void {
  if (keyType !== undefined) parse({ key: { id: 1, type: keyType }, value: { id: 2, type } }, payload);
  else if (type === 'string') new TextDecoder('utf-8', { fatal: true }).decode(Uint8Array.from(payload));
  else if (TYPES.get(type.slice(1))?.fields) parse(TYPES.get(type.slice(1))?.fields ?? {}, payload);
}

function varint(bytes: number[]): bigint {
  let result = 0n;
  for (let index = 0n; index < 10n; index++) {
    const [byte] = take(bytes, 1n) as [number];
    result |= BigInt(byte & 0x7f) << (7n * index);
    if (byte < 0x80) {
      if (result >= 1n << 64n) throw new Error('more than 64 bits');
      return result;
    }
  }
  throw new Error('more than ten bytes');
}

function take(bytes: number[], count: bigint): number[] {
  if (count > BigInt(bytes.length)) throw new Error('cut short');
  return bytes.splice(0, Number(count));
}

/** A message of that type: fields set or left out, of oneofs one at most. */
export function messages(name: string, depth = 0): fc.Arbitrary<Record<string, unknown>> {
  const { fields = {}, oneofs = {} } = TYPES.get(name) ?? {};
  const rivals = Object.values(oneofs).map(({ oneof }) => oneof);
  const all = fc.record(
    Object.fromEntries(Object.entries(fields).map(([field, descriptor]) => [field, valuesOf(descriptor, depth)])),
    { requiredKeys: [] },
  );
  return all.map((message) => {
    const dropped = rivals.flatMap((oneof) => oneof.filter((field) => Object.hasOwn(message, field)).slice(1));
    return Object.fromEntries(Object.entries(message).filter(([field]) => !dropped.includes(field)));
  });
}

function valuesOf({ type, rule, keyType }: FieldDescriptor, depth: number): fc.Arbitrary<unknown> {
  const one = singleValue(type, depth);
  if (rule === 'repeated') return fc.array(one, { maxLength: depth > 2 ? 0 : 3 });
  return keyType === undefined ? one : fc.dictionary(fc.string({ maxLength: 5 }), one, { maxKeys: depth > 2 ? 0 : 2 });
}

function singleValue(type: string, depth: number): fc.Arbitrary<unknown> {
  const found = TYPES.get(type.slice(1));
  if (found?.values) return fc.constantFrom(...Object.values(found.values));
  if (found?.fields) return depth > 3 ? fc.constant({}) : messages(type.slice(1), depth + 1);
  switch (type) {
    case 'string':
      return fc.string({ unit: 'grapheme', maxLength: 40 });
    case 'bytes':
      return fc.uint8Array({ maxLength: 200 }).map((bytes) => Buffer.from(bytes));
    case 'bool':
      return fc.boolean();
    case 'uint32':
      return fc.nat(2 ** 32 - 1);
    case 'int32':
      return fc.integer();
    default:
      return fc.double({ noNaN: true });
  }
}
