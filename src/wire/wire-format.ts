/**
 * Reads protobuf messages, exactly: what does not parse is refused, wherever in the message it stands. A request that was cut short could
 * otherwise pass for one that asks for everything.
 *
 * Protocol Buffers, "Encoding" and "Proto3": unknown fields are stepped over, and so is a known field that comes with the wire type of
 * another kind; of a field that comes twice the last value counts, messages are merged.
 */
import { isUtf8 } from 'node:buffer';

/** The part of a protobufjs JSON descriptor that is needed here. */
export interface Namespace {
  readonly nested?: Readonly<Record<string, Namespace>>;
  readonly fields?: Readonly<Record<string, FieldDescriptor>>;
  readonly oneofs?: Readonly<Record<string, { readonly oneof: readonly string[] }>>;
  readonly values?: Readonly<Record<string, number>>;
  readonly methods?: Readonly<Record<string, { readonly requestType: string; readonly responseType: string }>>;
}

interface FieldDescriptor {
  readonly id: number;
  readonly type: string;
  readonly rule?: string;
  readonly keyType?: string;
}

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

const VARINT = 0;
const FIXED64 = 1;
const LENGTH = 2;
const GROUP = 3;
const END_OF_GROUP = 4;
const FIXED32 = 5;
/** As other implementations have it. Of the messages here only google.protobuf.Struct can be nested at will. */
const MAX_DEPTH = 100;

const SCALARS: Readonly<Record<string, Scalar>> = {
  string: { wireType: LENGTH, initial: () => '', read: (input, end) => input.text(input.span(end)) },
  bytes: { wireType: LENGTH, initial: () => Buffer.alloc(0), read: (input, end) => input.bytes(input.span(end)) },
  bool: { wireType: VARINT, initial: () => false, read: (input, end) => input.varint(end) !== 0 || input.high !== 0 },
  uint32: { wireType: VARINT, initial: () => 0, read: (input, end) => input.varint(end) },
  int32: { wireType: VARINT, initial: () => 0, read: (input, end) => input.varint(end) | 0 },
  double: { wireType: FIXED64, initial: () => 0, read: (input, end) => input.double(end) },
};

/**
 * What reads the messages of a descriptor, by full name. Fields have their protobuf names; what is absent has its default: null for a
 * message, nothing for a member of a oneof.
 * @throws Error when the descriptor has a kind of field that is not handled here
 */
export function decoders(root: Namespace): ReadonlyMap<string, Decoder> {
  const types = new Map(typesIn(root, ''));
  const shapes = new Map<string, Shape>();
  for (const [name, type] of types) if (type.fields) shapes.set(name, shapeOf(type.fields, type, types, shapes));
  return new Map([...shapes].map(([name, shape]) => [name, decoder(name, shape)]));
}

function decoder(name: string, shape: Shape): Decoder {
  return (bytes) => {
    const input = new Input(bytes);
    try {
      return readInto(shape.empty(), shape, input, bytes.length, 0);
    } catch (error) {
      if (!(error instanceof MalformedMessage)) throw error;
      throw new MalformedMessage(`it is no ${name} that parses: ${error.message}`);
    }
  };
}

function* typesIn(namespace: Namespace, scope: string): Generator<[string, Namespace]> {
  for (const [name, type] of Object.entries(namespace.nested ?? {})) {
    yield [scope + name, type];
    yield* typesIn(type, `${scope}${name}.`);
  }
}

function shapeOf(
  fields: NonNullable<Namespace['fields']>,
  { oneofs = {} }: Namespace,
  types: ReadonlyMap<string, Namespace>,
  shapes: ReadonlyMap<string, Shape>,
): Shape {
  const oneofOf = (name: string) => Object.values(oneofs).find(({ oneof }) => oneof.includes(name))?.oneof ?? [];
  const defaults = Object.entries(fields)
    .filter(([name]) => oneofOf(name).length === 0)
    .map(([name, field]) => [name, initialOf(field, types)] as const);
  return {
    fields: new Map(
      Object.entries(fields).map(([name, field]) => [
        field.id,
        fieldOf(
          name,
          field,
          oneofOf(name).filter((other) => other !== name),
          types,
          shapes,
        ),
      ]),
    ),
    empty() {
      const message: Fields = {};
      for (const [name, initial] of defaults) message[name] = initial();
      return message;
    },
  };
}

function initialOf({ type, rule, keyType }: FieldDescriptor, types: ReadonlyMap<string, Namespace>): () => unknown {
  if (rule === 'repeated') return () => [];
  if (keyType !== undefined) return () => ({});
  return scalarOf(type, types)?.initial ?? (() => null);
}

/** Undefined: it is a message. */
function scalarOf(type: string, types: ReadonlyMap<string, Namespace>): Scalar | undefined {
  const found = types.get(type.slice(1));
  if (found?.values) return SCALARS['int32'];
  const scalar = SCALARS[type];
  if (found === undefined && scalar === undefined)
    throw new Error(`protobuf type ${type} is not handled in src/wire/wire-format.ts`);
  return scalar;
}

/** @param rivals the other members of its oneof */
function fieldOf(
  name: string,
  { type, rule, keyType }: FieldDescriptor,
  rivals: readonly string[],
  types: ReadonlyMap<string, Namespace>,
  shapes: ReadonlyMap<string, Shape>,
): Field {
  if (keyType !== undefined) return mapField(name, keyType, type, types, shapes);
  const scalar = scalarOf(type, types);
  if (rule === 'repeated' && scalar !== undefined && scalar.wireType !== LENGTH)
    throw new Error(`${name}: repeated ${type} is not handled in src/wire/wire-format.ts`);
  const readOne: (before: unknown, input: Input, end: number, depth: number) => unknown =
    scalar === undefined
      ? (before, input, end, depth) => {
          const shape = shapes.get(type.slice(1)) as Shape;
          return readInto((before as Fields | null) ?? shape.empty(), shape, input, input.span(end), depth + 1);
        }
      : (_, input, end) => scalar.read(input, end);
  const wireType = scalar?.wireType ?? LENGTH;
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
function mapField(
  name: string,
  keyType: string,
  type: string,
  types: ReadonlyMap<string, Namespace>,
  shapes: ReadonlyMap<string, Shape>,
): Field {
  if (keyType !== 'string') throw new Error(`${name}: a map by ${keyType} is not handled in src/wire/wire-format.ts`);
  const fields = { key: { id: 1, type: keyType }, value: { id: 2, type } };
  const entryShape = shapeOf(fields, {}, types, shapes);
  return {
    wireType: LENGTH,
    read(message, input, end, depth) {
      const entry = readInto(entryShape.empty(), entryShape, input, input.span(end), depth + 1);
      const value = entry['value'] ?? shapes.get(type.slice(1))?.empty();
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

/** Bytes and how far they are read. Each step is given the end of the message that it stands in. */
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
    if ((tag & 7) > FIXED32) throw this.malformed(`wire type ${tag & 7}, which there is not`);
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
    // What stands for bytes that are no UTF-8 may stand for itself, too.
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
      case VARINT:
        this.varint(end);
        break;
      case FIXED64:
        this.#advance(8, end);
        break;
      case LENGTH:
        this.position = this.span(end);
        break;
      case GROUP:
        this.#skipGroup(tag, end, depth + 1);
        break;
      case END_OF_GROUP:
        throw this.malformed('the end of a group that did not begin');
      case FIXED32:
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
