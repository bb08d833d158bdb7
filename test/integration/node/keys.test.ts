/** What is left of a workload in memory when its process has ended. */
import { chmod, mkdtempDisposable } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { DevBroker } from '../../../src/dev/dev-broker.ts';
import { PeerProcessClient } from '../../support/access/peer.ts';
import { eventually } from '../../support/eventually.ts';
import { copiesOf } from '../../support/sidecar/key-search.ts';
import { SidecarProcess } from '../../support/sidecar/sidecar-process.ts';
import { TestWorkloadApi } from '../../support/workload-api/test-workload-api.ts';

const WEB = 'spiffe://example.org/web';
const API = 'spiffe://example.org/api';
/** What TLS read and node:http2 handed on: Node gives it back as it is, and it is there until something else takes its place. */
const OF_TRANSPORT = 2;
const isRoot = process.getuid?.() === 0;
if (!isRoot) console.warn('SKIPPED: test/integration/node/keys.test.ts needs root, to look into the memory of another process');

test.runIf(isRoot)(
  'the private keys of a process that was killed are in memory no more, and those of others are',
  { timeout: 40_000 },
  async () => {
    await using stack = new AsyncDisposableStack();
    const folder = stack.use(await mkdtempDisposable(join(tmpdir(), 'spiffe-sds-'))).path;
    await chmod(folder, 0o755);
    const workloadApi = stack.use(
      await TestWorkloadApi.start({
        address: `unix://${folder}/workload.sock`,
        rotateEveryMs: 0,
        identities: [{ path: '/spiffe-sds' }, { path: '/web', of: { uid: 4001 } }, { path: '/api', of: { uid: 4002 } }],
      }),
    );
    const broker = stack.use(
      await DevBroker.start({
        address: `unix://${folder}/broker.sock`,
        workloadApi,
        admits: ['spiffe://example.org/spiffe-sds'],
      }),
    );
    const socket = join(folder, 'sds.sock');
    const sidecar = stack.use(
      await SidecarProcess.start(workloadApi.address, socket, {
        mode: 'node',
        broker: { address: broker.address },
        sds: { mode: '0666' },
      }),
    );
    const peer = (uid: number) => stack.use(new PeerProcessClient({ uid, gid: uid, socket, names: ['default'], asks: 'delta' }));
    const [web, api] = [peer(4001), peer(4002)];
    await web.next();
    await api.next();
    const [webKey, apiKey] = [workloadApi.privateKey(WEB), workloadApi.privateKey(API)];
    expect(copiesOf(webKey, sidecar.pid)).toEqual({ der: expect.toSatisfy(isAny), pem: expect.toSatisfy(isAny) });

    await web[Symbol.asyncDispose]();
    await sidecar.event(({ event }) => event === 'workload_ended');
    await eventually('a broker without its subscription', async () => broker.subscriptions === 1 || undefined);
    const left = copiesOf(webKey, sidecar.pid);
    expect(left.pem).toBe(0);
    expect(left.der).toBeLessThanOrEqual(OF_TRANSPORT);
    expect(copiesOf(apiKey, sidecar.pid)).toEqual({ der: expect.toSatisfy(isAny), pem: expect.toSatisfy(isAny) });
  },
);

const isAny = (count: number) => count > 0;
