/**
 * Writes protobuf messages: what is set, fields in ascending order, map entries in the order given, so the same value always gives the
 * same bytes. It works from the descriptor, and prepares each type when it is first written: no code is generated.
 */
import { type FieldDescriptor, mapEntry, type Namespace, scalarName, WIRE_TYPE } from './wire-types.ts';

export type Encoder = (message: object) => Buffer;

type Fields = Readonly<Record<string, unknown>>;

/** How large a value is, and how it is written, without its tag. */
interface Codec {
  readonly wireType: number;
  size(value: unknown): number;
  write(value: unknown, output: Output): void;
}

interface Field {
  readonly name: string;
  readonly tag: number;
  readonly codec: Codec;
  /** What there is to write of a value that is set: one, many, or none. */
  readonly values: (value: unknown) => readonly unknown[];
}

const SCALARS: Readonly<Record<string, Codec>> = {
  string: {
    wireType: WIRE_TYPE.length,
    size: (value) => spanSize(Buffer.byteLength(value as string)),
    write: (value, output) => output.text(value as string),
  },
  bytes: {
    wireType: WIRE_TYPE.length,
    size: (value) => spanSize((value as Uint8Array).length),
    write: (value, output) => output.bytes(value as Uint8Array),
  },
  bool: { wireType: WIRE_TYPE.varint, size: () => 1, write: (value, output) => output.varint(value === true ? 1 : 0) },
  uint32: {
    wireType: WIRE_TYPE.varint,
    size: (value) => varintSize(value as number),
    write: (value, output) => output.varint(value as number),
  },
  int32: {
    wireType: WIRE_TYPE.varint,
    size: (value) => ((value as number) < 0 ? NEGATIVE_BYTES : varintSize(value as number)),
    write: (value, output) => output.int32(value as number),
  },
  double: { wireType: WIRE_TYPE.fixed64, size: () => 8, write: (value, output) => output.double(value as number) },
};

/** It is written in 64 bits. */
const NEGATIVE_BYTES = 10;

/**
 * What writes a message of a type, by full name. Fields have their protobuf names; what is undefined or null is left out.
 * @throws Error when the descriptor has no such message, or a kind of field that is not handled here
 */
export function encoders(types: ReadonlyMap<string, Namespace>): (name: string) => Encoder {
  const codecs = new Map<string, Codec>();
  const codecOf = (name: string): Codec => {
    const known = codecs.get(name);
    if (known !== undefined) return known;
    const fields = types.get(name)?.fields;
    if (fields === undefined) throw new Error(`proto/ has no message ${name}`);
    const codec = messageCodec(fields, types, codecOf);
    codecs.set(name, codec);
    return codec;
  };
  return (name) => {
    const codec = codecOf(name);
    return (message) => Output.of(codec, message);
  };
}

type CodecOf = (name: string) => Codec;

/** A message inside another, with its length in front. Its fields are looked up when it is first written, because it may contain itself. */
function messageCodec(fields: NonNullable<Namespace['fields']>, types: ReadonlyMap<string, Namespace>, codecOf: CodecOf): Codec {
  let known: readonly Field[] | undefined;
  const all = () => {
    known ??= Object.entries(fields)
      .sort(([, a], [, b]) => a.id - b.id)
      .map(([name, field]) => fieldOf(name, field, types, codecOf));
    return known;
  };
  const contentSize = (message: Fields) => {
    let size = 0;
    for (const { name, tag, codec, values } of all())
      for (const value of values(message[name])) size += varintSize(tag) + codec.size(value);
    return size;
  };
  return {
    wireType: WIRE_TYPE.length,
    size: (value) => spanSize(contentSize(value as Fields)),
    write(value, output) {
      const message = value as Fields;
      output.varint(contentSize(message));
      for (const { name, tag, codec, values } of all()) {
        for (const value of values(message[name])) {
          output.varint(tag);
          codec.write(value, output);
        }
      }
    },
  };
}

function fieldOf(name: string, field: FieldDescriptor, types: ReadonlyMap<string, Namespace>, codecOf: CodecOf): Field {
  const isMap = field.keyType !== undefined;
  const codec = isMap ? messageCodec(mapEntry(name, field), types, codecOf) : codecOfType(name, field, types, codecOf);
  return {
    name,
    codec,
    tag: ((field.id << 3) | codec.wireType) >>> 0,
    values: isMap ? entries : field.rule === 'repeated' ? list : one,
  };
}

function codecOfType(name: string, field: FieldDescriptor, types: ReadonlyMap<string, Namespace>, codecOf: CodecOf): Codec {
  const scalar = scalarName(field, types);
  if (scalar === undefined) return codecOf(field.type.slice(1));
  const codec = SCALARS[scalar];
  if (codec === undefined || (field.rule === 'repeated' && codec.wireType !== WIRE_TYPE.length))
    throw new Error(`${name}: ${field.rule ?? ''} ${field.type} is not handled in src/wire/wire-writer.ts`);
  return codec;
}

const NONE: readonly unknown[] = [];

function one(value: unknown): readonly unknown[] {
  return value === undefined || value === null ? NONE : [value];
}

function list(value: unknown): readonly unknown[] {
  return (value as readonly unknown[] | undefined) ?? NONE;
}

function entries(value: unknown): readonly unknown[] {
  return Object.entries(value ?? {}).map(([key, value]) => ({ key, value }));
}

function varintSize(value: number): number {
  let size = 1;
  for (let rest = value >>> 7; rest > 0; rest >>>= 7) size++;
  return size;
}

/** With its length in front. */
function spanSize(length: number): number {
  return varintSize(length) + length;
}

/** Bytes, and how far they are written. */
class Output {
  readonly #buffer: Buffer;
  #position = 0;

  private constructor(size: number) {
    // Not from Node's pool: what is kept of that keeps 64 KB.
    this.#buffer = Buffer.allocUnsafeSlow(size);
  }

  /** The outermost message has no length in front. */
  static of(codec: Codec, message: object): Buffer {
    const output = new Output(codec.size(message));
    codec.write(message, output);
    const written = output.#buffer;
    let start = 0;
    while ((written[start++] as number) >= 0x80);
    return written.subarray(start);
  }

  /** @param value at most 32 bits, unsigned */
  varint(value: number): void {
    let rest = value >>> 0;
    for (; rest > 0x7f; rest >>>= 7) this.#buffer[this.#position++] = (rest & 0x7f) | 0x80;
    this.#buffer[this.#position++] = rest;
  }

  int32(value: number): void {
    if (value >= 0) {
      this.varint(value);
      return;
    }
    let rest = BigInt.asUintN(64, BigInt(value));
    for (; rest > 0x7fn; rest >>= 7n) this.#buffer[this.#position++] = Number(rest & 0x7fn) | 0x80;
    this.#buffer[this.#position++] = Number(rest);
  }

  double(value: number): void {
    this.#position = this.#buffer.writeDoubleLE(value, this.#position);
  }

  bytes(value: Uint8Array): void {
    this.varint(value.length);
    this.#buffer.set(value, this.#position);
    this.#position += value.length;
  }

  text(value: string): void {
    this.varint(Buffer.byteLength(value));
    this.#position += this.#buffer.write(value, this.#position);
  }
}
