/** Requests that are right, nearly right, and not right at all. */
import fc from 'fast-check';
import type { DeltaDiscoveryRequest, DiscoveryRequest, Struct } from '../../src/gen/messages.ts';
import { SECRET_TYPE_URL } from '../../src/secrets/secret.ts';
import { encode, type Input } from '../../src/wire/wire.ts';

const WIRE_TYPES = 8;
const LENGTH_DELIMITED = 2;
/** google.protobuf.Struct.fields, its entries' key and value, Value.struct_value; DiscoveryRequest.node, Node.metadata. */
const STRUCT = { fields: 1, key: 1, value: 2, structValue: 5 } as const;
const METADATA = { node: 2, metadata: 3 } as const;

const name = fc.oneof(
  { weight: 6, arbitrary: fc.constantFrom('default', 'ROOTCA', 'ALL', '*', '', '__proto__', 'spiffe://example.org/workload') },
  { weight: 3, arbitrary: fc.string({ unit: 'binary', maxLength: 40 }) },
  { weight: 1, arbitrary: fc.integer({ min: 200, max: 50_000 }).map((length) => '\u{1f512}x'.repeat(length / 5)) },
);
const names = fc.oneof(
  { weight: 20, arbitrary: fc.array(name, { maxLength: 5 }) },
  { weight: 1, arbitrary: fc.integer({ min: 100, max: 3_000 }).map((count) => Array.from({ length: count }, (_, i) => `n${i}`)) },
);
const type_url = fc.oneof(
  { weight: 8, arbitrary: fc.constantFrom(SECRET_TYPE_URL, '') },
  {
    weight: 1,
    arbitrary: fc.oneof(
      fc.constant('type.googleapis.com/envoy.config.cluster.v3.Cluster'),
      fc.string({ unit: 'binary', maxLength: 300 }),
    ),
  },
);
const response_nonce = fc.constantFrom('', '', '1', '2', '3', '-1', '1e9', 'NaN');
const error_detail = fc.option(fc.record({ code: fc.integer(), message: fc.string({ unit: 'binary', maxLength: 400 }) }));
const metadata: fc.Arbitrary<Input<Struct>> = fc
  .dictionary(
    fc.oneof(fc.constant('disable_spiffe_cert_validation'), fc.string()),
    fc.oneof(fc.record({ bool_value: fc.boolean() }), fc.record({ string_value: fc.string() }), fc.constant({})),
  )
  .map((fields) => ({ fields }));
const build = fc.record({ major_number: fc.nat(), minor_number: fc.nat(), patch: fc.nat() });
const node = fc.option(
  fc.record({
    id: fc.oneof({ weight: 9, arbitrary: fc.string({ maxLength: 20 }) }, { weight: 1, arbitrary: name }),
    cluster: fc.string(),
    metadata: fc.option(metadata),
    user_agent_name: fc.constantFrom('envoy', 'other', ''),
    user_agent_build_version: build.map((version) => ({ version })),
  }),
);

const sotw: fc.Arbitrary<Buffer> = fc
  .record({ version_info: fc.string(), node, resource_names: names, type_url, response_nonce, error_detail })
  .map((request: Input<DiscoveryRequest>) => encode('envoy.service.discovery.v3.DiscoveryRequest', request));
const delta: fc.Arbitrary<Buffer> = fc
  .record({
    node,
    type_url,
    resource_names_subscribe: names,
    resource_names_unsubscribe: names,
    initial_resource_versions: fc.dictionary(name, fc.string()),
    response_nonce,
    error_detail,
  })
  .map((request: Input<DeltaDiscoveryRequest>) => encode('envoy.service.discovery.v3.DeltaDiscoveryRequest', request));

/** Metadata in metadata in metadata: the heads of all levels, the innermost last. */
const deep: fc.Arbitrary<Buffer> = fc.integer({ min: 1, max: 2_000 }).map((depth) => {
  const key = field(STRUCT.key, Buffer.from('k'));
  const heads: Buffer[] = [];
  let length = 0;
  const within = (number: number, before: Buffer = Buffer.alloc(0)) => {
    heads.push(Buffer.concat([before, tag(number, LENGTH_DELIMITED), varint(length)]));
    length += heads.at(-1)?.length ?? 0;
  };
  for (let i = 0; i < depth; i++) {
    within(STRUCT.structValue);
    within(STRUCT.value, key);
    within(STRUCT.fields);
  }
  within(METADATA.metadata);
  within(METADATA.node);
  return Buffer.concat(heads.reverse());
});

/** Fields that a message has already, that it does not know, and of another wire type than they ought to be. */
const strayFields: fc.Arbitrary<Buffer> = fc
  .array(
    fc.tuple(fc.integer({ min: 0, max: 20 }), fc.integer({ min: 0, max: WIRE_TYPES - 1 }), fc.uint8Array({ maxLength: 30 })),
    { minLength: 1, maxLength: 6 },
  )
  .map((fields) =>
    Buffer.concat(
      fields.map(([number, type, bytes]) =>
        type === LENGTH_DELIMITED ? field(number, bytes) : Buffer.concat([tag(number, type), bytes]),
      ),
    ),
  );

type Mutation = (bytes: Buffer) => Buffer;

/** Where in the bytes, from 0 to 1. */
const place = fc.double({ min: 0, max: 1, noNaN: true });
const mutation: fc.Arbitrary<Mutation> = fc.oneof(
  fc.tuple(place, fc.nat(255)).map(([at, value]): Mutation => {
    return (bytes) => overwritten(bytes, at, 1, value);
  }),
  place.map(
    (at): Mutation =>
      (bytes) =>
        bytes.subarray(0, offset(bytes, at)),
  ),
  fc.tuple(place, fc.uint8Array({ maxLength: 20 })).map(([at, more]): Mutation => {
    return (bytes) => Buffer.concat([bytes.subarray(0, offset(bytes, at)), more, bytes.subarray(offset(bytes, at))]);
  }),
  fc.tuple(place, place).map(([from, to]): Mutation => {
    return (bytes) =>
      Buffer.concat([bytes, bytes.subarray(offset(bytes, Math.min(from, to)), offset(bytes, Math.max(from, to)))]);
  }),
  place.map(
    (at): Mutation =>
      (bytes) =>
        overwritten(bytes, at, 10, 0xff),
  ),
);

/** Some bytes, changed here and there. */
export function mutated(original: fc.Arbitrary<Buffer>): fc.Arbitrary<Buffer> {
  return fc
    .tuple(original, fc.array(mutation, { minLength: 1, maxLength: 4 }))
    .map(([bytes, mutations]) => mutations.reduce<Buffer>((changed, mutate) => mutate(changed), Buffer.from(bytes)));
}

/** A gRPC message, without its frame. */
export const message: fc.Arbitrary<Buffer> = fc.oneof(
  { weight: 6, arbitrary: sotw },
  { weight: 6, arbitrary: delta },
  { weight: 6, arbitrary: mutated(fc.oneof(sotw, delta)) },
  { weight: 2, arbitrary: fc.tuple(fc.oneof(sotw, delta), strayFields).map((parts): Buffer => Buffer.concat(parts)) },
  { weight: 1, arbitrary: deep },
  { weight: 1, arbitrary: fc.uint8Array({ maxLength: 200 }).map((bytes): Buffer => Buffer.from(bytes)) },
);

function overwritten(bytes: Buffer, at: number, count: number, value: number): Buffer {
  const from = offset(bytes, at);
  return bytes.fill(value, from, Math.min(from + count, bytes.length));
}

function offset({ length }: Buffer, at: number): number {
  return Math.floor(at * length);
}

function field(number: number, bytes: Uint8Array): Buffer {
  return Buffer.concat([tag(number, LENGTH_DELIMITED), varint(bytes.length), bytes]);
}

function tag(number: number, wireType: number): Buffer {
  return varint(number * WIRE_TYPES + wireType);
}

function varint(value: number): Buffer {
  const bytes: number[] = [];
  let rest = value;
  for (; rest > 0x7f; rest >>>= 7) bytes.push((rest & 0x7f) | 0x80);
  return Buffer.from([...bytes, rest]);
}
