import { describe, expect, test } from 'vitest';
import { resourceAttributes } from '../../../src/telemetry/resource.ts';
import { version } from '../../../src/version.ts';

function attributes(configured: Readonly<Record<string, string>>, env: Readonly<Record<string, string>>) {
  return resourceAttributes(configured, env, 'instance-1', (sentence) => expect.fail(sentence));
}

describe('the resource', () => {
  test('is this service, version and instance', () => {
    const own = { 'service.name': 'spiffe-sds', 'service.version': version, 'service.instance.id': 'instance-1' };
    expect(attributes({}, {})).toEqual(own);
  });

  test('comes from the configuration, or before that from OTEL_RESOURCE_ATTRIBUTES', () => {
    const configured = { 'service.name': 'configured', region: 'configured', zone: 'configured' };
    const env = { OTEL_RESOURCE_ATTRIBUTES: 'region=from%20env,service.instance.id=pod-1' };
    expect(attributes(configured, env)).toMatchObject({
      'service.name': 'configured',
      'service.instance.id': 'pod-1',
      region: 'from env',
      zone: 'configured',
    });
  });

  test('has the name of OTEL_SERVICE_NAME whatever else is said', () => {
    const env = { OTEL_RESOURCE_ATTRIBUTES: 'service.name=attribute', OTEL_SERVICE_NAME: 'variable' };
    expect(attributes({ 'service.name': 'configured' }, env)['service.name']).toBe('variable');
  });
});
