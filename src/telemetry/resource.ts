/** The OpenTelemetry resource of all metrics, spans and log records of this process. */
import type { Environment } from '../config/source/sources.ts';
import { SERVICE_NAME, version } from '../version.ts';
import type { Attributes } from './metrics/metric.ts';
import { StandardVariables } from './standard-variables.ts';

/**
 * The environment wins over the configuration, and that over the defaults. Host and process are not detected: that takes time, and would
 * publish the command line.
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
