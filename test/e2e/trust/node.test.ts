/** Two Envoys of two users on one socket: each has the identity of its own process. */
import { chmod } from 'node:fs/promises';
import { dirname } from 'node:path';
import { expect, it } from 'vitest';
import { DevBroker } from '../../../src/dev/dev-broker.ts';
import { DevDelegatedIdentity } from '../../../src/dev/dev-delegated-identity.ts';
import type { Event } from '../../../src/events.ts';
import { eventually } from '../../support/eventually.ts';
import { clientBootstrap, serverBootstrap } from '../../support/mesh/bootstrap.ts';
import { describeWithEnvoy, Envoy } from '../../support/mesh/envoy.ts';
import { SteadyLoad } from '../../support/mesh/steady-load.ts';
import { startRunning } from '../../support/sidecar/sidecar.ts';

const OWN = { path: '/spiffe-sds' };
const BACKEND = { path: '/backend', of: { uid: 4001 } };
const FRONTEND = { path: '/frontend', of: { uid: 4002 } };
const NODE = 'mode: node\nbroker: { backend: BACKEND, address: "unix://FOLDER/broker.sock" }\nsds: { mode: "0666" }\n';

const isRoot = process.getuid?.() === 0;
if (!isRoot) console.warn('SKIPPED: test/e2e/trust/node.test.ts needs root, to be several users');

/** Whether an Envoy of this user has accepted a new certificate. */
function rotatedSince(events: readonly Event[], uid: number): boolean {
  return events.some(
    (event) =>
      event.type === 'secrets_accepted' &&
      event.workload?.uid === uid &&
      event.secrets.some(({ kind }) => kind === 'tls_certificate'),
  );
}

describeWithEnvoy()('two Envoys of two users on one socket', () => {
  it.runIf(isRoot).each(['broker', 'delegated_identity'])(
    'talk mutual TLS, each with its own identity, and one that loses its entry does not take the other along (%s)',
    async (backend) => {
      await using stack = new AsyncDisposableStack();
      type Agent = DevBroker | DevDelegatedIdentity;
      let broker: Agent | undefined;
      let startBroker = async (): Promise<Agent> => Promise.reject(new Error('not yet'));
      const yaml = NODE.replace('BACKEND', backend);
      const running = stack.use(
        await startRunning({ identities: [OWN, BACKEND, FRONTEND] }, yaml, undefined, async (workloadApi, folder) => {
          await chmod(folder, 0o755);
          const sidecar = ['spiffe://example.org/spiffe-sds'];
          const asked = { address: `unix://${folder}/broker.sock`, workloadApi };
          startBroker = () =>
            backend === 'broker'
              ? DevBroker.start({ ...asked, admits: sidecar })
              : DevDelegatedIdentity.start({ ...asked, authorizedDelegates: sidecar });
          broker = await startBroker();
        }),
      );
      await chmod(dirname(running.socket), 0o755);
      const server = stack.use(await Envoy.start(String(await serverBootstrap(running.socket)), undefined, undefined, 4001));
      await server.live();
      const port = await server.port('mtls');
      const client = stack.use(
        await Envoy.start(String(await clientBootstrap(running.socket, port)), undefined, undefined, 4002),
      );
      await client.live();
      const url = `http://127.0.0.1:${await client.port('plain')}/`;
      const answer = await eventually('an answer', async () => {
        const response = await fetch(url);
        return response.status === 200 ? response : undefined;
      });
      expect(answer.headers.get('x-upstream-uri-san')).toBe('spiffe://example.org/backend');

      await using load = new SteadyLoad(url);
      await load.more(100);
      const happened = running.events.length;
      await broker?.close();
      await running.eventAfter(happened, 'workload_api_lost');
      await load.more(100);
      await running.workloadApi.rotate();
      stack.use(await startBroker());

      const workloads = () => [...running.observed.workloads.values()];
      expect(workloads().map(({ workload, observed }) => [workload.uid, [...observed.identities.keys()]])).toEqual([
        [4001, ['spiffe://example.org/backend']],
        [4002, ['spiffe://example.org/frontend']],
      ]);
      await eventually('both at the new broker', async () =>
        workloads().every(({ observed }) => observed.upstream.state === 'connected') ? true : undefined,
      );
      await eventually('both with a new SVID', async () =>
        [4001, 4002].every((uid) => rotatedSince(running.events.slice(happened), uid)) ? true : undefined,
      );
      await load.more(100);
      await load.stop();
      expect(load.failures).toEqual(new Map());

      await running.workloadApi.setIdentities([OWN, BACKEND]);
      await eventually('a withdrawal', async () =>
        workloads().find(({ workload }) => workload.uid === 4002)?.observed.identities.size === 0 ? true : undefined,
      );
      expect(workloads().find(({ workload }) => workload.uid === 4001)?.observed.identities.size).toBe(1);

      await client[Symbol.asyncDispose]();
      expect(await running.event('workload_ended')).toMatchObject({ workload: { uid: 4002 }, reason: 'its process has ended' });
      expect(workloads()).toHaveLength(1);
    },
  );
});
