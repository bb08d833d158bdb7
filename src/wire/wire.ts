/** The messages and methods of proto/: encoded by @grpc/proto-loader, decoded by ourselves. */
import type { MethodDefinition } from '@grpc/grpc-js';
import { fromJSON, type MessageTypeDefinition } from '@grpc/proto-loader';
import { descriptor } from '../gen/descriptor.ts';
import type { Messages } from '../gen/messages.ts';
import { type Decoder, decoders, type Namespace } from './wire-format.ts';

const definitions = fromJSON(descriptor);
const decoderOf = decoders(descriptor);

/** A message to encode: what is left out has its default value. */
export type Input<T> = T extends Uint8Array
  ? T
  : T extends readonly (infer E)[]
    ? readonly Input<E>[]
    : T extends object
      ? { readonly [K in keyof T]?: Input<T[K]> }
      : T;

/**
 * The encoding of a message: fields in ascending order, map entries in the order given, so the same value always gives the same
 * bytes.
 */
export function encode<Name extends keyof Messages>(name: Name, message: Input<Messages[Name]>): Buffer {
  return definition(name).serialize(message as Messages[Name]);
}

/** @throws MalformedMessage when the bytes are not a message of that type; unknown fields are skipped. */
export function decode<Name extends keyof Messages>(name: Name, bytes: Uint8Array): Messages[Name] {
  return (decoderOf.get(name) as Decoder)(bytes) as Messages[Name];
}

function definition<Name extends keyof Messages>(name: Name): MessageTypeDefinition<Messages[Name], Messages[Name]> {
  return definitions[name] as unknown as MessageTypeDefinition<Messages[Name], Messages[Name]>;
}

/**
 * A method by its service's full name, for a client of @grpc/grpc-js. Deserializing throws MalformedMessage when the bytes
 * are not its message.
 */
export function method<Request, Response>(service: string, name: string): MethodDefinition<Request, Response> {
  const found = (definitions[service] as Record<string, unknown> | undefined)?.[name];
  const types = namespaceOf(service)?.methods?.[name];
  if (found === undefined || types === undefined) throw new Error(`proto/ has no method ${service}/${name}`);
  return {
    ...(found as MethodDefinition<Request, Response>),
    requestDeserialize: decoderOf.get(types.requestType.slice(1)) as (bytes: Buffer) => Request,
    responseDeserialize: decoderOf.get(types.responseType.slice(1)) as (bytes: Buffer) => Response,
  };
}

function namespaceOf(fullName: string): Namespace | undefined {
  return fullName.split('.').reduce<Namespace | undefined>((namespace, part) => namespace?.nested?.[part], descriptor);
}
