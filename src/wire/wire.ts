/** The messages and methods of proto/, written and read by the descriptor that `npm run generate` makes of it. */
import type { MethodDefinition } from '@grpc/grpc-js';
import { descriptor } from '../gen/descriptor.ts';
import type { Messages } from '../gen/messages.ts';
import { decoders } from './wire-format.ts';
import { typesIn } from './wire-types.ts';
import { encoders } from './wire-writer.ts';

const types = typesIn(descriptor);
const decoderOf = decoders(types);
const encoderOf = encoders(types);

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
  return encoderOf(name)(message);
}

/** @throws MalformedMessage when the bytes are not a message of that type; unknown fields are skipped. */
export function decode<Name extends keyof Messages>(name: Name, bytes: Uint8Array): Messages[Name] {
  return decoderOf(name)(bytes) as Messages[Name];
}

/**
 * A method by its service's full name, for a client of @grpc/grpc-js. Deserializing throws MalformedMessage when the bytes
 * are not its message.
 */
export function method<Request, Response>(service: string, name: string): MethodDefinition<Request, Response> {
  const found = types.get(service)?.methods?.[name];
  if (found === undefined) throw new Error(`proto/ has no method ${service}/${name}`);
  const { requestType, responseType, requestStream = false, responseStream = false } = found;
  return {
    path: `/${service}/${name}`,
    requestStream,
    responseStream,
    requestSerialize: encoderOf(requestType.slice(1)) as (message: Request) => Buffer,
    requestDeserialize: decoderOf(requestType.slice(1)) as (bytes: Buffer) => Request,
    responseSerialize: encoderOf(responseType.slice(1)) as (message: Response) => Buffer,
    responseDeserialize: decoderOf(responseType.slice(1)) as (bytes: Buffer) => Response,
  };
}
