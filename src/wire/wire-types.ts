/** The part of a protobufjs JSON descriptor that reading and writing messages needs, and what protobuf's wire format calls things. */

export interface Namespace {
  readonly nested?: Readonly<Record<string, Namespace>>;
  readonly fields?: Readonly<Record<string, FieldDescriptor>>;
  readonly oneofs?: Readonly<Record<string, { readonly oneof: readonly string[] }>>;
  readonly values?: Readonly<Record<string, number>>;
  readonly methods?: Readonly<Record<string, MethodDescriptor>>;
}

export interface FieldDescriptor {
  readonly id: number;
  readonly type: string;
  readonly rule?: string;
  readonly keyType?: string;
}

export interface MethodDescriptor {
  /** Full names, with a dot in front. */
  readonly requestType: string;
  readonly responseType: string;
  readonly requestStream?: boolean;
  readonly responseStream?: boolean;
}

/** How a field goes on after its tag. Protocol Buffers, "Encoding". */
export const WIRE_TYPE = { varint: 0, fixed64: 1, length: 2, group: 3, endOfGroup: 4, fixed32: 5 } as const;

/** Every message and enum of a descriptor, by its full name. */
export function typesIn(root: Namespace): ReadonlyMap<string, Namespace> {
  return new Map(collected(root, ''));
}

function* collected(namespace: Namespace, scope: string): Generator<[string, Namespace]> {
  for (const [name, type] of Object.entries(namespace.nested ?? {})) {
    yield [scope + name, type];
    yield* collected(type, `${scope}${name}.`);
  }
}

/** The entry of a map, as it stands on the wire: a message of two fields. */
export function mapEntry(name: string, { keyType, type }: FieldDescriptor): NonNullable<Namespace['fields']> {
  if (keyType !== 'string') throw new Error(`${name}: a map by ${keyType} is not handled here`);
  return { key: { id: 1, type: keyType }, value: { id: 2, type } };
}

/**
 * The name of the scalar that a field is on the wire; undefined when it is a message.
 * @throws Error when the descriptor does not have the type
 */
export function scalarName({ type }: FieldDescriptor, types: ReadonlyMap<string, Namespace>): string | undefined {
  if (!type.startsWith('.')) return type;
  const found = types.get(type.slice(1));
  if (found === undefined) throw new Error(`there is no protobuf type ${type}`);
  return found.values === undefined ? undefined : 'int32';
}
