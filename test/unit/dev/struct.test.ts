import { expect, test } from 'vitest';
import { toStruct } from '../../../src/dev/struct.ts';
import { decode, encode } from '../../../src/wire/wire.ts';

test('every kind of JSON value survives the wire', () => {
  const struct = toStruct({ text: 'a', number: 1.5, yes: true, none: null, list: ['b'], nested: { deep: 2 } });
  expect(decode('google.protobuf.Struct', encode('google.protobuf.Struct', struct))).toEqual({
    fields: {
      text: { string_value: 'a' },
      number: { number_value: 1.5 },
      yes: { bool_value: true },
      none: { null_value: 0 },
      list: { list_value: { values: [{ string_value: 'b' }] } },
      nested: { struct_value: { fields: { deep: { number_value: 2 } } } },
    },
  });
});
