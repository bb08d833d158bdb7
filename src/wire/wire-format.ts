/**
 * Reads protobuf messages strictly: anything that does not parse is refused, wherever it is in the message. Otherwise a request that was cut
 * short could be taken for one that asks for everything.
 *
 * Protocol Buffers, "Encoding" and "Proto3": unknown fields are stepped over, and so is a known field that comes with the wire type of
 * another kind; of a field that comes twice the last value counts, messages are merged.
 */
import { isUtf8 } from 'node:buffer';
import { type FieldDescriptor, mapEntry, type Namespace, scalarName, WIRE_TYPE } from './wire-types.ts';

/** The bytes are no message of that type. Says what is wrong and at which byte, nothing of the content. */
export class MalformedMessage extends Error {
  override readonly name = 'MalformedMessage';
}

export type Decoder = (bytes: Uint8Array) => unknown;

type Fields = Record<string, unknown>;

interface Field {
  readonly wireType: number;
  /** Takes one occurrence into `message`. */
  read(message: Fields, input: Input, end: number, depth: number): void;
}

/** One message type. */
interface Shape {
  readonly fields: ReadonlyMap<number, Field>;
  empty(): Fields;
}

interface Scalar {
  readonly wireType: number;
  readonly initial: () => unknown;
  read(input: Input, end: number): unknown;
}

/** The limit of other implementations. Of the messages here only google.protobuf.Struct can be nested without limit. */
const MAX_DEPTH = 100;

const SCALARS: Readonly<Record<string, Scalar>> = {
  string: { wireType: WIRE_TYPE.length, initial: () => '', read: (input, end) => input.text(input.span(end)) },
  bytes: { wireType: WIRE_TYPE.length, initial: () => Buffer.alloc(0), read: (input, end) => input.bytes(input.span(end)) },
  bool: { wireType: WIRE_TYPE.varint, initial: () => false, read: (input, end) => input.varint(end) !== 0 || input.high !== 0 },
  uint32: { wireType: WIRE_TYPE.varint, initial: () => 0, read: (input, end) => input.varint(end) },
  int32: { wireType: WIRE_TYPE.varint, initial: () => 0, read: (input, end) => input.varint(end) | 0 },
  double: { wireType: WIRE_TYPE.fixed64, initial: () => 0, read: (input, end) => input.double(end) },
};

/**
 * What reads a message of a type, by full name. Fields have their protobuf names; what is absent has its default: null for a message,
 * nothing for a member of a oneof. Each type is looked at when it is first read.
 * @throws Error when the descriptor has no such message, or a kind of field that is not handled here
 */
export function decoders(types: ReadonlyMap<string, Namespace>): (name: string) => Decoder {
  const shapes = new Map<string, Shape>();
  const shapeNamed = (name: string): Shape => {
    const known = shapes.get(name);
    if (known !== undefined) return known;
    const type = types.get(name);
    if (type?.fields === undefined) throw new Error(`proto/ has no message ${name}`);
    const shape = shapeOf(type.fields, type, types, shapeNamed);
    shapes.set(name, shape);
    return shape;
  };
  return (name) => (bytes) => {
    const shape = shapeNamed(name);
    const input = new Input(bytes);
    try {
      return readInto(shape.empty(), shape, input, bytes.length, 0);
    } catch (error) {
      if (!(error instanceof MalformedMessage)) throw error;
      throw new MalformedMessage(`it is no ${name} that parses: ${error.message}`);
    }
  };
}

/**
 * How often a field stands in a message, without taking anything of it.
 * @throws MalformedMessage
 */
export function occurrences(bytes: Uint8Array, fieldNumber: number): number {
  const input = new Input(bytes);
  let count = 0;
  while (input.position < bytes.length) {
    const tag = input.tag(bytes.length);
    if (tag >>> 3 === fieldNumber) count += 1;
    input.skip(tag, bytes.length, 0);
  }
  return count;
}

type ShapeNamed = (name: string) => Shape;

function shapeOf(
  fields: NonNullable<Namespace['fields']>,
  { oneofs = {} }: Namespace,
  types: ReadonlyMap<string, Namespace>,
  shapeNamed: ShapeNamed,
): Shape {
  const oneofOf = (name: string) => Object.values(oneofs).find(({ oneof }) => oneof.includes(name))?.oneof ?? [];
  const rivalsOf = (name: string) => oneofOf(name).filter((other) => other !== name);
  const defaults = Object.entries(fields)
    .filter(([name]) => oneofOf(name).length === 0)
    .map(([name, field]) => [name, initialOf(field, types)] as const);
  return {
    fields: new Map(
      Object.entries(fields).map(([name, field]) => [field.id, fieldOf(name, field, rivalsOf(name), types, shapeNamed)]),
    ),
    empty() {
      const message: Fields = {};
      for (const [name, initial] of defaults) message[name] = initial();
      return message;
    },
  };
}

function initialOf(field: FieldDescriptor, types: ReadonlyMap<string, Namespace>): () => unknown {
  if (field.rule === 'repeated') return () => [];
  if (field.keyType !== undefined) return () => ({});
  return scalarOf(field, types)?.initial ?? (() => null);
}

/** Undefined: it is a message. */
function scalarOf(field: FieldDescriptor, types: ReadonlyMap<string, Namespace>): Scalar | undefined {
  const name = scalarName(field, types);
  if (name === undefined) return undefined;
  const scalar = SCALARS[name];
  if (scalar === undefined) throw new Error(`protobuf type ${name} is not handled in src/wire/wire-format.ts`);
  return scalar;
}

/** @param rivals the other members of its oneof */
function fieldOf(
  name: string,
  field: FieldDescriptor,
  rivals: readonly string[],
  types: ReadonlyMap<string, Namespace>,
  shapeNamed: ShapeNamed,
): Field {
  const { type, rule } = field;
  if (field.keyType !== undefined) return mapField(name, field, types, shapeNamed);
  const scalar = scalarOf(field, types);
  if (rule === 'repeated' && scalar !== undefined && scalar.wireType !== WIRE_TYPE.length)
    throw new Error(`${name}: repeated ${type} is not handled in src/wire/wire-format.ts`);
  const readOne: (before: unknown, input: Input, end: number, depth: number) => unknown =
    scalar === undefined
      ? (before, input, end, depth) => {
          const shape = shapeNamed(type.slice(1));
          return readInto((before as Fields | null) ?? shape.empty(), shape, input, input.span(end), depth + 1);
        }
      : (_, input, end) => scalar.read(input, end);
  const wireType = scalar?.wireType ?? WIRE_TYPE.length;
  if (rule === 'repeated')
    return {
      wireType,
      read: (message, input, end, depth) => (message[name] as unknown[]).push(readOne(null, input, end, depth)),
    };
  return {
    wireType,
    read(message, input, end, depth) {
      for (const rival of rivals) delete message[rival];
      message[name] = readOne(message[name], input, end, depth);
    },
  };
}

/** A map is repeated entries on the wire; the last one of a key counts. */
function mapField(name: string, field: FieldDescriptor, types: ReadonlyMap<string, Namespace>, shapeNamed: ShapeNamed): Field {
  const fields = mapEntry(name, field);
  const isMessage = scalarOf(field, types) === undefined;
  const entryShape = shapeOf(fields, {}, types, shapeNamed);
  return {
    wireType: WIRE_TYPE.length,
    read(message, input, end, depth) {
      const entry = readInto(entryShape.empty(), entryShape, input, input.span(end), depth + 1);
      const value = entry['value'] ?? (isMessage ? shapeNamed(field.type.slice(1)).empty() : undefined);
      // Not an assignment: a key may be __proto__.
      Object.defineProperty(message[name], entry['key'] as string, {
        value,
        writable: true,
        enumerable: true,
        configurable: true,
      });
    },
  };
}

function readInto(message: Fields, { fields }: Shape, input: Input, end: number, depth: number): Fields {
  if (depth > MAX_DEPTH) throw input.malformed(`messages nested more than ${MAX_DEPTH} deep`);
  while (input.position < end) {
    const tag = input.tag(end);
    const field = fields.get(tag >>> 3);
    if (field?.wireType === (tag & 7)) field.read(message, input, end, depth);
    else input.skip(tag, end, depth);
  }
  return message;
}

/** Bytes, and the position up to which they are read. Each method gets the end of the message that it reads in. */
class Input {
  position = 0;
  /** The upper 32 bits of the varint that was read last. */
  high = 0;
  readonly #buffer: Buffer;

  constructor(bytes: Uint8Array) {
    this.#buffer = Buffer.isBuffer(bytes) ? bytes : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  }

  malformed(what: string): MalformedMessage {
    return new MalformedMessage(`${what}, at byte ${this.position}`);
  }

  /** The number and the wire type of the field that comes. */
  tag(end: number): number {
    const tag = this.varint(end);
    if (this.high !== 0) throw this.malformed('a field number that is too large');
    if (tag < 8) throw this.malformed('field number 0');
    if ((tag & 7) > WIRE_TYPE.fixed32) throw this.malformed(`wire type ${tag & 7}, which there is not`);
    return tag;
  }

  /** @returns the lower 32 bits, unsigned */
  varint(end: number): number {
    const first = this.#buffer[this.position] as number;
    if (first < 0x80 && this.position < end) {
      this.position += 1;
      this.high = 0;
      return first;
    }
    let low = 0;
    let high = 0;
    for (let shift = 0; ; shift += 7) {
      if (this.position >= end) throw this.malformed('a number that is cut short');
      const byte = this.#buffer[this.position++] as number;
      if (shift === 63 && byte > 1) throw this.malformed('a number of more than 64 bits');
      const bits = byte & 0x7f;
      if (shift < 32) low |= bits << shift;
      if (shift > 24) high |= shift < 32 ? bits >>> (32 - shift) : bits << (shift - 32);
      if (byte < 0x80) break;
    }
    this.high = high >>> 0;
    return low >>> 0;
  }

  /** Reads a length. @returns where what has that length ends */
  span(end: number): number {
    const length = this.varint(end);
    const left = end - this.position;
    if (this.high !== 0 || length > left) throw this.malformed(`a length beyond the end: ${left} bytes are left`);
    return this.position + length;
  }

  bytes(end: number): Buffer {
    const bytes = this.#buffer.subarray(this.position, end);
    this.position = end;
    return bytes;
  }

  text(end: number): string {
    const text = this.#buffer.toString('utf8', this.position, end);
    // U+FFFD replaces bytes that are not UTF-8, but it may also stand in the text itself.
    if (text.includes('\ufffd') && !isUtf8(this.#buffer.subarray(this.position, end)))
      throw this.malformed('text that is not UTF-8');
    this.position = end;
    return text;
  }

  double(end: number): number {
    const at = this.position;
    this.#advance(8, end);
    return this.#buffer.readDoubleLE(at);
  }

  /** Steps over a field after its tag. */
  skip(tag: number, end: number, depth: number): void {
    switch (tag & 7) {
      case WIRE_TYPE.varint:
        this.varint(end);
        break;
      case WIRE_TYPE.fixed64:
        this.#advance(8, end);
        break;
      case WIRE_TYPE.length:
        this.position = this.span(end);
        break;
      case WIRE_TYPE.group:
        this.#skipGroup(tag, end, depth + 1);
        break;
      case WIRE_TYPE.endOfGroup:
        throw this.malformed('the end of a group that did not begin');
      case WIRE_TYPE.fixed32:
        this.#advance(4, end);
    }
  }

  #skipGroup(start: number, end: number, depth: number): void {
    if (depth > MAX_DEPTH) throw this.malformed(`groups nested more than ${MAX_DEPTH} deep`);
    for (let tag = this.tag(end); tag !== start + 1; tag = this.tag(end)) this.skip(tag, end, depth);
  }

  #advance(bytes: number, end: number): void {
    if (bytes > end - this.position) throw this.malformed('a number that is cut short');
    this.position += bytes;
  }
}
