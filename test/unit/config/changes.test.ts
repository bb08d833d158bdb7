import { describe, expect, test } from 'vitest';
import { changesBetween } from '../../../src/config/changes.ts';
import { loadText } from '../../support/sidecar/configuration.ts';

function changes(before: string, after: string) {
  return changesBetween(loadText(before).configuration, loadText(after).configuration);
}

describe('between two configurations', () => {
  test.each([
    ['names: { default_svid: a }', 'names.default_svid'],
    ['names: { on_demand: [a] }', 'names.on_demand'],
    ['secrets: [{ name: a, svid: { hint: a } }]', 'secrets'],
    ['validation: { mode: trusted_ca }', 'validation.mode'],
    ['validation: { crl: false }', 'validation.crl'],
    ['on_permission_denied: keep', 'on_permission_denied'],
    ['sds: { limits: { connections: 1 } }', 'sds.limits.connections'],
    ['sds: { allow: [{ uid: [101] }] }', 'sds.allow'],
    ['sds: { bundle_ack_timeout: 1s }', 'sds.bundle_ack_timeout'],
    ['workload_api: { address: unix:///a }', 'workload_api.address'],
    ['workload_api: [{ address: unix:///a }, { address: unix:///b }]', 'workload_api'],
    ['log: { level: debug }', 'log.level'],
  ])('%s can be applied while running', (text, path) => {
    expect(changes('', text)).toEqual({ live: [path], needRestart: [] });
  });

  test.each([
    ['sds: { listen: unix:///a }', 'sds.listen'],
    ['sds: { mode: "0600" }', 'sds.mode'],
    ['sds: { group: envoy }', 'sds.group'],
    ['log: { format: text }', 'log.format'],
  ])('%s needs a restart', (text, path) => {
    expect(changes('', text)).toEqual({ live: [], needRestart: [path] });
  });

  test('a value that goes is a change', () => {
    expect(changes('sds: { group: envoy }\nlog: { level: debug }', '')).toEqual({
      live: ['log.level'],
      needRestart: ['sds.group'],
    });
  });

  test('the names that a preset gives are changes', () => {
    expect(changes('', 'names: { preset: istio-federation }').live).toEqual([
      'names.preset',
      'names.default_bundle',
      'names.default_all_bundles',
    ]);
  });

  test('the same value, written in another way, is no change', () => {
    const before = 'sds: { bundle_ack_timeout: 90s, limits: { request_bytes: 1024KiB } }\nnames: { default_svid: default }';
    const after = 'sds: { bundle_ack_timeout: 1m30s, limits: { request_bytes: 1MiB } }';
    expect(changes(before, after)).toEqual({ live: [], needRestart: [] });
  });
});
