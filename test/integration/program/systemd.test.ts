/** What a service tells systemd: sd_notify(3). A datagram socket stands in for the manager. */
import { mkdtempDisposable } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { openNotify, serviceNotifications } from '../../../src/sidecar/systemd.ts';
import { Child } from '../../support/sidecar/child.ts';
import { SidecarProcess } from '../../support/sidecar/sidecar-process.ts';
import { TestWorkloadApi } from '../../support/workload-api/test-workload-api.ts';

/** Node cannot listen on such a socket. It writes each datagram as a line. */
const MANAGER = `
import socket, sys
s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
name = sys.argv[1]
s.bind('\\0' + name[1:] if name.startswith('@') else name)
print('bound', flush=True)
while True: print(s.recv(4096).decode(), flush=True)
`;

async function manager(address: string): Promise<Child> {
  const child = new Child('python3', ['-c', MANAGER, address]);
  await child.written(/bound/);
  return child;
}

test('a sidecar is ready when an identity and a bundle are served, not before; and says that it stops', async () => {
  await using folder = await mkdtempDisposable(join(tmpdir(), 'systemd-'));
  const address = `unix://${join(folder.path, 'workload.sock')}`;
  await using systemd = await manager(join(folder.path, 'notify.sock'));
  await using workloadApi = await TestWorkloadApi.start({ address, identities: [] });
  await using sidecar = await SidecarProcess.start(
    address,
    join(folder.path, 'sds.sock'),
    {},
    {
      NOTIFY_SOCKET: join(folder.path, 'notify.sock'),
    },
  );
  await sidecar.event(({ event }) => event === 'workload_api_lost');
  expect(systemd.log).toBe('bound\n');

  await workloadApi.setIdentities([{ path: '/web' }]);
  await systemd.written(/READY=1/);
  await workloadApi.rotate();
  await sidecar.event(({ event }) => event === 'svid_rotated');
  expect(await sidecar.stop()).toBe(0);
  await systemd.written(/STOPPING=1/);
  expect(systemd.log).toBe('bound\nREADY=1\nSTOPPING=1\n');
});

test('an abstract socket is told, too', async () => {
  const address = `@spiffe-sds-test-${process.pid}`;
  await using systemd = await manager(address);
  (await openNotify(address))('READY=1');
  await systemd.written(/READY=1/);
});

test('a manager that is gone is no reason to stop', async () => {
  await using folder = await mkdtempDisposable(join(tmpdir(), 'systemd-'));
  const notify = await openNotify(join(folder.path, 'nobody.sock'));
  expect(() => notify('READY=1')).not.toThrow();
});

test('what is no address is told as a sentence', async () => {
  const reasons: string[] = [];
  serviceNotifications({ NOTIFY_SOCKET: 'vsock:2:1234' }, (reason) => reasons.push(reason))('READY=1');
  await expect.poll(() => reasons).toEqual([expect.stringMatching(/^cannot send READY=1 to systemd: NOTIFY_SOCKET is "vsock/)]);
});

test('without NOTIFY_SOCKET nobody is told anything', () => {
  const reasons: string[] = [];
  serviceNotifications({}, (reason) => reasons.push(reason))('READY=1');
  expect(reasons).toEqual([]);
});
