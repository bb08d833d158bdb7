/** JSON values as google.protobuf.Struct. */
import type { Struct, Value } from '../gen/messages.ts';

/** @param json an object as JSON.parse gives it; undefined members are left out */
export function toStruct(json: object): Struct {
  const members = Object.entries(json).filter(([, value]) => value !== undefined);
  return { fields: Object.fromEntries(members.map(([key, value]) => [key, toValue(value)])) };
}

function toValue(json: unknown): Value {
  if (typeof json === 'string') return { string_value: json };
  if (typeof json === 'number') return { number_value: json };
  if (typeof json === 'boolean') return { bool_value: json };
  if (Array.isArray(json)) return { list_value: { values: json.map(toValue) } };
  if (typeof json === 'object' && json !== null) return { struct_value: toStruct(json) };
  return { null_value: 0 };
}
