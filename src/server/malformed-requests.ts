/**
 * Requests that do not parse. By itself grpc-js ends their calls with no word of what is wrong, and nobody here hears of it: so they are
 * handed on as the error that says it.
 */
import type { MethodDefinition, ServiceDefinition, sendUnaryData, UntypedServiceImplementation } from '@grpc/grpc-js';
import { status } from '@grpc/grpc-js';
import { MalformedMessage } from '../wire/wire-format.ts';

/** A `GrpcService` of the server that this is a part of. */
type Service = {
  readonly definition: ServiceDefinition;
  readonly implementation: UntypedServiceImplementation;
  drain(): void;
};
type Handler = UntypedServiceImplementation[string];
type Call = { readonly request: unknown; getPeer(): string; emit(event: 'error', error: object): void };
/** @param address what `getPeer()` of the call says */
type Tell = (address: string, call: string, details: string) => void;

/**
 * The same service, which is called with requests that parse. A stream of requests sees to it itself: what it gets is then a
 * MalformedMessage.
 */
export function checked(service: Service, tell: Tell): Service {
  const { definition, implementation } = service;
  const methods = Object.entries(definition);
  const handlerOf = (name: string, { path, requestStream }: MethodDefinition<unknown, unknown>): Handler => {
    const handler = implementation[name] as Handler;
    return requestStream ? handler : refusing(handler, path, tell);
  };
  return {
    definition: Object.fromEntries(methods.map(([name, method]) => [name, tolerant(method)])) as ServiceDefinition,
    implementation: Object.fromEntries(methods.map(([name, method]) => [name, handlerOf(name, method)])),
    drain: () => service.drain(),
  };
}

function tolerant(method: MethodDefinition<unknown, unknown>): MethodDefinition<unknown, unknown> {
  return {
    ...method,
    requestDeserialize(bytes) {
      try {
        return method.requestDeserialize(bytes);
      } catch (error) {
        if (error instanceof MalformedMessage) return error;
        throw error;
      }
    },
  };
}

function refusing(handler: Handler, path: string, tell: Tell): Handler {
  return (call: Call, reply?: sendUnaryData<unknown>) => {
    const { request } = call;
    if (!(request instanceof MalformedMessage)) return handler(call as never, reply as never);
    const refusal = { code: status.INVALID_ARGUMENT, details: request.message };
    tell(call.getPeer(), path, request.message);
    if (reply === undefined) call.emit('error', refusal);
    else reply(refusal);
  };
}
