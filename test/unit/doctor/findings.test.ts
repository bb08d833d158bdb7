/** Faults that no test can bring about on every machine, as facts: the change of one fact in a healthy system. */
import { describe, expect, it } from 'vitest';
import type { Status } from '../../../src/admin/status.ts';
import { loadConfiguration } from '../../../src/config/load.ts';
import { findingsOf } from '../../../src/doctor/diagnosis.ts';
import type { RunningEnvoy } from '../../../src/doctor/envoy-facts.ts';
import type { Facts } from '../../../src/doctor/facts.ts';
import { diagnose } from '../../../src/doctor/finding.ts';
import { reportOf, reportText } from '../../../src/doctor/report.ts';
import { envoy, HOUR, healthy, ID, NOW, OWNERSHIP, status } from '../../support/doctor/healthy-facts.ts';

const withStatus = (change: Partial<Status>): Partial<Facts> => ({
  sidecar: { kind: 'status', status: { ...status, ...change }, process: { pid: 7, uid: 65532, gid: 65532 } },
});
const withEnvoy = (change: Partial<RunningEnvoy>): Partial<Facts> => ({
  envoy: { kind: 'running', envoy: { ...envoy, ...change } },
});
const lost = {
  ...status.upstream,
  state: 'lost',
  code: 'UNAVAILABLE',
  details: 'connect EACCES',
  meaning: 'it cannot be reached',
} as const;

describe('a fix', () => {
  const fixOf = (change: Partial<Facts>) => findingsOf({ ...healthy, ...change })[0]?.fix;
  const peer = { uid: 102, gid: 103 };
  const sidecarAs = (uid: number, groups: readonly number[] = []): Partial<Facts> => ({
    sidecar: { kind: 'status', status, process: { pid: 7, uid, gid: uid, groups } },
  });

  it('of a socket that keeps Envoy out is the group, which root and its members may give', () => {
    const setting = 'sds: { group: 103, mode: "0660" }';
    expect(fixOf({ peer, ...sidecarAs(0) })).toBe(setting);
    expect(fixOf({ peer, ...sidecarAs(65532, [103]) })).toBe(setting);
    expect(fixOf({ peer, ...sidecarAs(65532) })).toMatch(
      /^Run the sidecar with the group 103, too .*, and write sds: { group: 103/,
    );
  });

  it('of a folder that keeps Envoy out is its mode, for sds.group changes only the socket', () => {
    const folders = [{ path: '/run/own', uid: 65532, gid: 65532, mode: 0o750 }];
    const sds = { ...healthy.sds, socket: { state: 'answers', ...OWNERSHIP, folders } } as const;
    expect(fixOf({ peer, sds })).toBe('chmod a+x /run/own');
  });
});

describe('a Workload API of which this command has no address', () => {
  const unknown = { workloadApi: { answer: { kind: 'none' } }, sidecar: { kind: 'off' } } as const;
  const causes = (sds: Facts['sds']) =>
    findingsOf({ ...healthy, ...unknown, sds })
      .filter(({ severity }) => severity !== 'fine')
      .map(({ id, severity }) => `${severity} ${id}`);

  it('is no fault where secrets are served: it is only not asked', () => {
    expect(causes(healthy.sds)).toEqual(['warning workload_api.not_known']);
  });

  it('does not hide that this user may not open the socket', () => {
    const socket = { state: 'forbidden', folders: [{ path: '/run', uid: 0, gid: 0, mode: 0o700 }] } as const;
    expect(causes({ path: '/run/sds.sock', socket })).toEqual(['broken sds.forbidden']);
  });
});

describe('findings', () => {
  it('of a healthy system are all fine', () => {
    expect(findingsOf(healthy).map(({ severity }) => severity)).toEqual(['fine', 'fine', 'fine', 'fine']);
  });

  it.each<[string, string, Partial<Facts>]>([
    [
      'a Workload API whose socket this user may not use',
      'workload_api.forbidden',
      {
        ...withStatus({ upstream: lost }),
        workloadApi: { ...healthy.workloadApi, socket: { state: 'forbidden', ...OWNERSHIP }, answer: { kind: 'none' } },
      },
    ],
    [
      'a sidecar that cannot reach what others can',
      'sidecar.cut_off',
      {
        ...withStatus({ upstream: lost }),
        workloadApi: { ...healthy.workloadApi, socket: { state: 'answers', ...OWNERSHIP, mode: 0o777 } },
      },
    ],
    [
      'a sidecar that is stale',
      'sidecar.stale',
      {
        ...withStatus({
          identities: status.identities.map((one) => ({
            ...one,
            state: 'expired',
            not_after: new Date(NOW - 1000).toISOString(),
          })),
        }),
        workloadApi: {
          ...healthy.workloadApi,
          answer: {
            kind: 'context',
            identities: [{ id: ID, serial: '0B', notBefore: NOW - 60_000, notAfter: NOW + HOUR }],
            trustDomains: ['example.org'],
            expiredCrls: [],
          },
        },
      },
    ],
    [
      'a CRL that has expired',
      'crl.expired',
      {
        workloadApi: {
          ...healthy.workloadApi,
          answer: { kind: 'context', identities: [], trustDomains: [], expiredCrls: ['example.org cannot be used'] },
        },
      },
    ],
    [
      'a key that Envoys refuse',
      'identity.key_type',
      withStatus({
        identities: status.identities.map((one) => ({ ...one, warning: 'Envoy accepts no Ed25519 key from a peer' })),
      }),
    ],
    [
      'a second sidecar on the path',
      'sds.taken',
      withStatus({ checks: [{ name: 'socket', ok: false, reason: 'another process listens there' }] }),
    ],
    [
      'a peer that sds.allow refuses',
      'sds.peer_refused',
      {
        configuration: loadConfiguration({
          flags: { config: 'sds.yaml', workload_api: 'unix:///run/api.sock' },
          env: {},
          readFile: () => '{ sds: { listen: "unix:///run/sds.sock", allow: [{ uid: [1337] }] } }',
        }).configuration,
        peer: { uid: 102, gid: 101 },
        sds: { ...healthy.sds, answer: { kind: 'failed', reason: 'PERMISSION_DENIED: sds.allow gives this peer nothing' } },
      },
    ],
    [
      'a socket that sds.allow keeps this command from, and not the Envoy',
      'sds.self_refused',
      {
        ...withEnvoy({ stats: new Map([['sds.a.control_plane.connected_state', 0]]) }),
        sds: { ...healthy.sds, answer: { kind: 'failed', reason: 'PERMISSION_DENIED: sds.allow gives this peer nothing' } },
      },
    ],
    [
      'a bundle without a self-signed root',
      'bundle.no_root',
      {
        sds: {
          ...healthy.sds,
          answer: {
            kind: 'secrets',
            secrets: [
              { name: ID, kind: 'tls_certificate', serial: 'a' },
              {
                name: 'spiffe://example.org',
                kind: 'validation_context',
                spiffe: { trustDomains: ['example.org'], rootless: ['example.org'] },
              },
            ],
          },
        },
      },
    ],
    ['another process on the path', 'sds.taken', { sds: { ...healthy.sds, socket: { state: 'answers', ...OWNERSHIP, pid: 9 } } }],
    [
      'a rule of the running sidecar that has no name of this Envoy, though this command was told of no rules',
      'names.not_allowed',
      {
        ...withStatus({
          configuration: {
            digest: '',
            values: {
              'sds.mode': { value: '0660', source: 'default' },
              'sds.allow.0.uid.0': { value: 102, source: 'file' },
              'sds.allow.0.names.0': { value: ID, source: 'file' },
            },
          },
        }),
        peer: { uid: 102, gid: 101 },
      },
    ],
    ['an Envoy without a SPIFFE validator', 'envoy.too_old', withEnvoy({ version: '1.17.4' })],
    ['an Envoy that nobody tested', 'envoy.version_untested', withEnvoy({ version: '1.41.0' })],
    [
      'an Envoy without a stream',
      'envoy.not_connected',
      withEnvoy({ stats: new Map([['sds.spiffe_example.org.control_plane.connected_state', 0]]), warming: [ID] }),
    ],
    ['an Envoy that presents another certificate', 'envoy.other_certificate', withEnvoy({ serials: new Map([[ID, ['9']]]) })],
    ['an Envoy that waits, for no other reason', 'envoy.warming', withEnvoy({ warming: [ID] })],
  ])('%s', (_, cause, change) => {
    const causes = findingsOf({ ...healthy, ...change }).filter(({ severity }) => severity !== 'fine');
    expect(causes.map(({ id }) => id)).toEqual([cause]);
    for (const { why, fix } of causes) expect([why, fix].every((text) => text !== undefined && text !== '')).toBe(true);
  });
});

describe('a diagnosis', () => {
  const broken = { severity: 'broken', what: '' } as const;

  it('leaves out what a cause explains, but not when the cause is fine', () => {
    const consequence = { ...broken, id: 'envoy.warming', explainedBy: ['sds.'] };
    expect(diagnose([{ ...broken, id: 'sds.missing' }, consequence]).map(({ id }) => id)).toEqual(['sds.missing']);
    expect(diagnose([{ ...broken, severity: 'fine', id: 'sds.answers' }, consequence])[0]?.id).toBe('envoy.warming');
  });

  it('keeps the first of two that explain each other', () => {
    const [one, other] = [
      { ...broken, id: 'a.one', explainedBy: ['a.'] },
      { ...broken, id: 'a.other', explainedBy: ['a.'] },
    ];
    expect(diagnose([one, other]).map(({ id }) => id)).toEqual(['a.one']);
  });

  it('tells what is broken before what is only unwise', () => {
    const found = diagnose([
      { ...broken, severity: 'warning', id: 'a.b' },
      { ...broken, id: 'c.d' },
    ]);
    expect(found.map(({ id }) => id)).toEqual(['c.d', 'a.b']);
  });

  it('has colours only where they are asked for', () => {
    const report = reportOf(findingsOf(healthy));
    expect(reportText(report, false)).not.toContain('\x1b');
    expect(reportText(report, true)).toContain('\x1b[32mfine');
  });
});
