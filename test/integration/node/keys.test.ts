/** What is left of a workload in memory when its process has ended. */
import { expect, test } from 'vitest';
import { eventually } from '../../support/eventually.ts';
import { startNodeProcess } from '../../support/node/node-process.ts';
import { copiesOf } from '../../support/sidecar/key-search.ts';

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
    await using node = await startNodeProcess({
      identities: [
        { path: '/web', of: { uid: 4001 } },
        { path: '/api', of: { uid: 4002 } },
      ],
    });
    const { workloadApi, broker, sidecar } = node;
    const [web, api] = [node.peer(4001), node.peer(4002)];
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
