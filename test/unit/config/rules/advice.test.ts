import { describe, expect, test } from 'vitest';
import { loadConfiguration } from '../../../../src/config/load.ts';
import { adviceOn } from '../../../../src/config/rules/advice.ts';

function adviceFor(file: string): readonly string[] {
  const { configuration } = loadConfiguration({
    flags: { config: 'spiffe-sds.yaml' },
    env: { SPIFFE_ENDPOINT_SOCKET: 'unix:///run/spire/agent/api.sock' },
    readFile: () => file,
  });
  return adviceOn(configuration);
}

test('nothing is said of what nobody configured', () => {
  expect(adviceFor('')).toEqual([]);
});

describe('what is legal and unwise is said with the key, and the fix is one that helps', () => {
  test.each([
    ['validation.unsafe_merge', 'validation: { mode: trusted_ca, unsafe_merge: true }', 'validation: { mode: spiffe }'],
    ['sds.mode', 'sds: { mode: "0666" }', 'sds: { mode: "0660" }'],
    [
      'admin.remote',
      'admin: { listen: "10.0.0.1:8082", remote: true }',
      'admin: { listen: "10.0.0.1:8082", remote: true, hosts: [sidecar.example.org] }',
    ],
    [
      'sds.allow[1]',
      'sds: { allow: [{ uid: [0, 101] }, { uid: [101], names: [default] }] }',
      'sds: { allow: [{ uid: [101], names: [default] }, { uid: [0, 101] }] }',
    ],
    [
      'sds.allow[1]',
      'sds: { allow: [{ gid: [5], node_id: [a] }, { uid: [1], gid: [5], node_id: [a] }] }',
      'sds: { allow: [{ gid: [5], node_id: [a] }, { uid: [1], gid: [5] }] }',
    ],
    ['names.on_demand', 'names: { on_demand: ["*"] }', 'names: { on_demand: ["*.example.org"] }'],
    [
      'names.on_demand',
      'names: { on_demand: ["*.example.org"] }\nsecrets: [{ name: web.example.org, svid: { hint: web } }]',
      'names: { on_demand: ["*.example.org"] }\nsecrets: [{ name: web, svid: { hint: web } }]',
    ],
  ])('%s', (key, unwise, wise) => {
    expect(adviceFor(unwise)).toEqual([expect.stringContaining(key)]);
    expect(adviceFor(wise)).toEqual([]);
  });
});
