import { describe, expect, test } from 'vitest';
import { loadConfiguration } from '../../../../src/config/load.ts';
import { problemsOf as problems } from '../../../support/sidecar/configuration.ts';

describe('a value that is refused', () => {
  test('has the code config_invalid', () => {
    expect(() => loadConfiguration({ flags: { log_level: 'loud' }, env: {}, readFile: () => '' })).toThrow(
      expect.objectContaining({ code: 'config_invalid' }),
    );
  });

  test.each([
    [
      'sds:\n  mode: 0660',
      '2:3: sds.mode: expected an octal string like "0660", found number 660 (YAML reads 0660 without quotes as a number): quote it',
    ],
    ['sds: { mode: 660 }', '1:8: sds.mode: expected an octal string like "0660", found number 660: quote it'],
    ['sds: { mode: "0o660" }', '1:8: sds.mode: expected an octal string like "0660", found string "0o660"'],
    ['sds: { group: true }', '1:8: sds.group: expected the name of a group or a gid, found true'],
    ['sds: { group: -1 }', '1:8: sds.group: expected the name of a group or a gid, found number -1'],
    ['sds: { listen: }', '1:8: sds.listen: expected a string, found nothing'],
    ['names: { answer_empty_request: yes }', '1:10: names.answer_empty_request: expected true or false, found string "yes"'],
    ['validation: { mode: both }', '1:15: validation.mode: expected one of spiffe, trusted_ca, found string "both"'],
    ['log: [1]', '1:1: log: expected a mapping (key: value), found a list'],
    ['on_permission_denied: drop', '1:1: on_permission_denied: expected one of withdraw, keep, found string "drop"'],
    [
      'names: { preset: linkerd }',
      '1:10: names.preset: expected one of spire, istio, istio-federation, kuma, found string "linkerd"',
    ],
    [
      'workload_api: "unix:///a"',
      '1:1: workload_api: expected a mapping with an address, or a list of such mappings, found string "unix:///a"',
    ],
    ['workload_api: []', '1:1: workload_api: expected a list of at least one Workload API, found a list'],
    ['workload_api: [{ address: true }]', '1:18: workload_api[0].address: expected a string, found true'],
    ['workload_api: { adress: "unix:///a" }', '1:17: unknown key "workload_api.adress": did you mean "address"?'],
    [
      'workload_api: [{ address: "unix:///a" }, { address: "unix:///a" }]',
      '1:44: workload_api[1].address: unix:///a is listed before: name each Workload API once',
    ],
    ['- log', '1:1: expected a mapping (key: value), found a list'],
  ])('%j: its place, its key, what was expected and what was found', (text, problem) => {
    expect(problems(text)).toEqual([`/x.yaml:${problem}`]);
  });

  test('in an address says the rule and the mend', () => {
    expect(problems('workload_api:\n  address: /run/x.sock')).toEqual([
      expect.stringMatching(/^\/x\.yaml:2:3: workload_api\.address: not an endpoint: .* did you mean unix:\/\/\/run\/x\.sock\?$/),
    ]);
  });

  test('from a flag names the flag', () => {
    expect(problems('log: { level: info }', { flags: { log_level: 'loud' } })).toEqual([
      expect.stringMatching(/^flag --log-level: log\.level: expected one of trace, .*, found string "loud"$/),
    ]);
  });

  test('from the environment names the variable', () => {
    expect(problems('', { env: { SPIFFE_ENDPOINT_SOCKET: 'nowhere' } })).toEqual([
      expect.stringMatching(/^environment SPIFFE_ENDPOINT_SOCKET: workload_api\.address: not an endpoint: "nowhere"/),
    ]);
  });

  test('is not repeated at length', () => {
    expect(problems(`log: { level: ${'x'.repeat(10_000)} }`)[0]?.length).toBeLessThan(400);
  });
});

describe('the SDS socket', () => {
  test('is never TCP, because it hands out private keys', () => {
    expect(problems('sds: { listen: "tcp://127.0.0.1:80" }')).toEqual([
      expect.stringContaining('the private keys would go to whoever connects'),
    ]);
  });

  test('is never abstract, because such sockets have no permissions', () => {
    expect(problems('sds: { listen: "unix:@sds" }')).toEqual([expect.stringContaining('no file permissions')]);
  });
});

describe('an unknown key', () => {
  test.each([
    ['sds:\n  lisen: x', '2:3: unknown key "sds.lisen": did you mean "listen"?'],
    ['logs: {}', '1:1: unknown key "logs": did you mean "log"?'],
    ['log: { colour: true }', '1:8: unknown key "log.colour": there are level, format, audit'],
    ['secrets: [{ name: a, svid: { foo: 1 } }]', '1:30: unknown key "secrets[0].svid.foo": there are spiffe_id, hint'],
    ['__proto__: {}', '1:1: unknown key "__proto__": there are mode, workload_api, broker, node, sds, names, '],
  ])('%j is named with its place and the nearest known key, or all of them', (text, problem) => {
    expect(problems(text)).toEqual([expect.stringContaining(`/x.yaml:${problem}`)]);
  });
});

describe('YAML', () => {
  test.each([
    ['log: {\n  level', '2:8: '],
    ['log:\n\tlevel: info', '2:1: Tabs are not allowed'],
    ['log: {}\nsds: {}\nlog: {}', '3:1: duplicate key "log": keep one'],
    ['log: {}\n---\nsds: {}', '2:1: a second document begins here: keep one'],
    ['log: !colour {}', '1:6: Unresolved tag: !colour'],
  ])('%j is refused with its place', (text, begin) => {
    expect(problems(text)[0]).toMatch(new RegExp(`^/x\\.yaml:${begin}`));
  });

  test('with an alias to nothing is refused', () => {
    expect(problems('log: *nothing')).toEqual([expect.stringContaining('Unresolved alias')]);
  });

  test('may use anchors, and a wrong value stands where the anchor is', () => {
    expect(problems('validation: &v\n  mode: both\nlog: *v')).toContainEqual(
      expect.stringMatching(/^\/x\.yaml:2:3: unknown key "log\.mode"/),
    );
  });
});

test('all problems of a file are told at once', () => {
  expect(problems('log: { level: loud, level: info }\nsds: { mode: 660, lisen: x }\nadmin: []')).toHaveLength(4);
});
