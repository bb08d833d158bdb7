/** Faults between the Workload API and the SDS socket, each in a running system: doctor names the cause, and nothing else. */

import { once } from 'node:events';
import { link, mkdir, mkdtempDisposable, writeFile } from 'node:fs/promises';
import { createServer, type Server } from 'node:net';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { describe, expect, it, vi } from 'vitest';
import { systemClock } from '../../../src/clock.ts';
import { WrongClock } from '../../support/clocks/wrong-clock.ts';
import { diagnose, flagsOf } from '../../support/doctor/diagnosis.ts';
import { eventually } from '../../support/eventually.ts';
import { type Serving, serving } from '../../support/sidecar/admin.ts';
import { SidecarProcess } from '../../support/sidecar/sidecar-process.ts';

const HOUR_MS = 3_600_000;

// Each starts a process or more.
vi.setConfig({ testTimeout: 30_000 });

describe('a healthy system', () => {
  it('has nothing but fine findings, and the exit code is 0', async () => {
    await using system = await serving();
    await system.running.event('secrets_updated');
    const { causes, ok, exitCode, findings } = await diagnose(...flags(system));
    expect({ causes, ok, exitCode }).toEqual({ causes: [], ok: true, exitCode: 0 });
    expect(findings.map(({ id }) => id)).toEqual(['workload_api.answers', 'sds.answers', 'sidecar.runs']);
  });

  it('has none either when only the sidecar was told where the Workload API is', async () => {
    await using system = await serving();
    await system.running.event('secrets_updated');
    const all = flags(system);
    const { causes, findings } = await diagnose(...all.toSpliced(all.indexOf('--workload-api'), 2));
    expect(causes).toEqual([]);
    expect(findings.map(({ id }) => id)).toContain('workload_api.answers');
  });
});

describe('the Workload API', () => {
  it.each<[string, string, (path: string) => Promise<AsyncDisposable | undefined>]>([
    ['has no socket', 'workload_api.missing', async () => undefined],
    [
      'has a folder in the place of its socket',
      'workload_api.folder',
      async (path) => {
        await mkdir(path);
        return undefined;
      },
    ],
    [
      'has a file in the place of its socket',
      'workload_api.no_socket',
      async (path) => {
        await writeFile(path, '');
        return undefined;
      },
    ],
    ['has left its socket behind', 'workload_api.nobody_listens', leftBehind],
    ['takes connections and says nothing', 'workload_api.silent', mute],
  ])('%s', async (_, cause, prepare) => {
    await using folder = await mkdtempDisposable(join(tmpdir(), 'doctor-'));
    const path = join(folder.path, 'workload.sock');
    await using _other = await prepare(path);
    const sds = join(folder.path, 'sds.sock');
    const admin = join(folder.path, 'admin.sock');
    await using sidecar = await SidecarProcess.start(`unix://${path}`, sds, { admin: { listen: `unix://${admin}` } });
    await sidecar.event(({ event }) => event === 'admin_listening');
    const diagnosis = await diagnose(
      '--listen',
      `unix://${sds}`,
      '--admin',
      `unix://${admin}`,
      '--workload-api',
      `unix://${path}`,
    );
    expect(diagnosis.causes).toEqual([cause]);
    expect(diagnosis.exitCode).toBe(1);
  });

  it('ended after it had given an identity', async () => {
    await using system = await serving();
    await system.running.event('secrets_updated');
    await system.running.workloadApi[Symbol.asyncDispose]();
    await system.running.event('workload_api_lost');
    expect(await causesIn(system)).toEqual(['workload_api.missing']);
  });

  it('has no address', async () => {
    await using folder = await mkdtempDisposable(join(tmpdir(), 'doctor-'));
    expect((await diagnose('--listen', `unix://${join(folder.path, 'sds.sock')}`, '--admin', '')).causes).toEqual([
      'workload_api.no_address',
    ]);
  });

  it('is the SDS socket of another sidecar', async () => {
    await using system = await serving();
    const { socket } = system.running;
    const sds = join(dirname(socket), 'other.sock');
    await using _sidecar = await SidecarProcess.start(`unix://${socket}`, sds);
    const { causes } = await diagnose('--listen', `unix://${sds}`, '--workload-api', `unix://${socket}`, '--admin', '');
    expect(causes).toEqual(['workload_api.other_service']);
  });

  it('has no identity for this process: it says whom it attests, and the entry to create', async () => {
    await using system = await serving();
    system.running.workloadApi.deny();
    await system.running.event('workload_api_lost');
    const { causes, findings } = await diagnose(...flags(system));
    expect(causes).toEqual(['workload_api.no_identity']);
    expect(findings[0]?.what).toContain(`pid ${process.pid}`);
    expect(findings[0]?.fix).toContain(`-selector unix:uid:${process.getuid?.()}`);
  });

  it('sent a message that cannot be used', async () => {
    await using system = await serving();
    await system.running.event('secrets_updated');
    system.running.workloadApi.send((message) => ({
      ...message,
      svids: message.svids.map((svid) => ({ ...svid, x509_svid_key: new Uint8Array() })),
    }));
    await system.running.event('context_discarded');
    expect(await causesIn(system)).toEqual(['workload_api.message_unusable']);
  });
});

describe('dates', () => {
  it('an SVID that was not rotated in time', async () => {
    const clock = new WrongClock();
    await using system = await serving({ clock, workload: { rotateEveryMs: 0 } });
    await system.running.event('secrets_updated');
    clock.offsetMs = 2 * HOUR_MS;
    expect(await causesIn(system)).toEqual(['identity.expired']);
  });

  it('a clock that is ahead', async () => {
    await using system = await serving({ clock: new WrongClock(2 * HOUR_MS), workload: { clock: systemClock } });
    await system.running.event('context_received');
    expect(await causesIn(system)).toEqual(['clock.ahead']);
  });

  it('a clock that is behind', async () => {
    await using system = await serving({ clock: new WrongClock(-2 * HOUR_MS), workload: { clock: systemClock } });
    await system.running.event('svid_not_yet_valid');
    expect(await causesIn(system)).toEqual(['clock.behind']);
  });
});

describe('the sidecar', () => {
  it('does not run', async () => {
    await using system = await serving();
    const none = `unix://${join(dirname(system.running.socket), 'none.sock')}`;
    const { causes } = await diagnose('--listen', none, '--admin', none, '--workload-api', system.running.workloadApi.address);
    expect(causes).toEqual(['sds.missing']);
  });

  it('is stopped', async () => {
    await using system = await serving();
    const folder = dirname(system.running.socket);
    const path = join(folder, 'mute.sock');
    await using _mute = await mute(path);
    const { causes } = await diagnose('--listen', `unix://${path}`, '--workload-api', system.running.workloadApi.address);
    expect(causes).toEqual(['sds.silent']);
  });

  it('has a group in which this Envoy is not', async () => {
    await using system = await serving();
    await system.running.event('secrets_updated');
    const { causes } = await diagnose(...flags(system), '--uid', '54321', '--gid', '54321');
    expect(causes).toEqual(['sds.peer_kept_out']);
  });

  it('has an admin address that somebody else has', async () => {
    await using system = await serving();
    await using other = await serving();
    await Promise.all([system, other].map(({ running }) => running.event('secrets_updated')));
    const { causes, exitCode } = await diagnose(...flagsOf(system.running, adminOf(other)));
    expect({ causes, exitCode }).toEqual({ causes: ['admin.taken'], exitCode: 0 });
  });

  it.each([
    ['telemetry_failed', 'telemetry.failed'],
    ['audit_failed', 'audit.failed'],
  ] as const)('has trouble beside the way of the secrets, which is harmless: %s', async (type, cause) => {
    await using system = await serving();
    await system.running.event('secrets_updated');
    system.running.observed.hear({ type, reason: 'connect ECONNREFUSED 127.0.0.1:4317' });
    const { causes, exitCode, findings } = await diagnose(...flags(system));
    expect({ causes, exitCode }).toEqual({ causes: [cause], exitCode: 0 });
    expect(findings[0]?.why).toContain('harmless');
  });

  it('has a changed file that it does not use', async () => {
    await using system = await serving();
    await system.running.event('secrets_updated');
    system.running.observed.hear({ type: 'configuration_rejected', reason: 'unknown key' });
    expect(await causesIn(system)).toEqual(['configuration.not_in_force']);
  });
});

describe('a configuration file', () => {
  it('is judged without a running sidecar', async () => {
    await using system = await serving();
    await using folder = await mkdtempDisposable(join(tmpdir(), 'doctor-'));
    const file = join(folder.path, 'spiffe-sds.yaml');
    const sds = { listen: `unix://${join(folder.path, 'none.sock')}` };
    await writeFile(file, JSON.stringify({ sds, admin: { listen: '' }, validation: { unsafe_merge: true } }));
    const { causes } = await diagnose('--config', file, '--workload-api', system.running.workloadApi.address);
    expect(causes).toEqual(['configuration.unwise']);
  });
});

function flags(system: Serving): readonly string[] {
  return flagsOf(system.running, adminOf(system));
}

function adminOf({ to }: Serving): string {
  return 'socketPath' in to ? `unix://${to.socketPath}` : '';
}

async function causesIn(system: Serving): Promise<readonly string[]> {
  return eventually('a diagnosis', async () => {
    const { causes } = await diagnose(...flags(system));
    return causes.length === 0 ? undefined : causes;
  });
}

/** A socket file whose server has gone. */
async function leftBehind(path: string): Promise<undefined> {
  const server = createServer();
  await once(server.listen(`${path}.first`), 'listening');
  await link(`${path}.first`, path);
  await closed(server);
}

/** Takes connections and says nothing. */
async function mute(path: string): Promise<AsyncDisposable> {
  const sockets = new Set<{ destroy(): unknown }>();
  const server = createServer((socket) => sockets.add(socket.on('error', () => undefined)));
  await once(server.listen(path), 'listening');
  return {
    [Symbol.asyncDispose]: () => {
      for (const socket of sockets) socket.destroy();
      return closed(server);
    },
  };
}

function closed(server: Server): Promise<undefined> {
  return new Promise((resolve) => server.close(() => resolve(undefined)));
}
