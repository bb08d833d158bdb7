/** Who speaks: the resource that all metrics, spans and log records of this process belong to. */
import type { Environment } from '../config/source/sources.ts';
import { SERVICE_NAME, version } from '../version.ts';
import type { Attributes } from './metrics/metric.ts';
import { StandardVariables } from './standard-variables.ts';

/**
 * The environment wins over the configuration, that over what is said of itself. No host and no process: they would tell the command
 * line and cost time.
 *
 * @param configured `telemetry.resource`
 * @param instance unlike that of any other process
 */
export function resourceAttributes(
  configured: Attributes,
  env: Environment,
  instance: string,
  onProblem: (sentence: string) => void,
): Attributes {
  const variables = new StandardVariables(env, onProblem);
  const name = variables.text('OTEL_SERVICE_NAME');
  return {
    'service.name': SERVICE_NAME,
    'service.version': version,
    'service.instance.id': instance,
    ...configured,
    ...variables.pairs('OTEL_RESOURCE_ATTRIBUTES'),
    ...(name !== undefined && { 'service.name': name }),
  };
}
