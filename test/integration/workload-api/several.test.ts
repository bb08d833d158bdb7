/** A sidecar with two Workload APIs of different trust domains, on real sockets. */
import { expect, test } from 'vitest';
import { statusOf } from '../../../src/admin/status.ts';
import { allPassed, readyz } from '../../../src/state/readiness.ts';
import { Measurements } from '../../../src/telemetry/metrics/measurements.ts';
import { eventually } from '../../support/eventually.ts';
import { type Running, startRunning } from '../../support/sidecar/sidecar.ts';
import { TestWorkloadApi } from '../../support/workload-api/test-workload-api.ts';

const BOTH = 'workload_api:\n  - address: unix://FOLDER/workload.sock\n  - address: unix://FOLDER/other.sock\n';
const FIRST = 'spiffe://one.test/web';
const SECOND = 'spiffe://two.test/web';

interface Stage extends AsyncDisposable {
  readonly running: Running;
  readonly addresses: readonly [string, string];
  /** The second Workload API. */
  other: TestWorkloadApi;
  startOther(): Promise<TestWorkloadApi>;
}

async function startBoth(trustDomain = 'two.test', more = ''): Promise<Stage> {
  await using stack = new AsyncDisposableStack();
  let other: TestWorkloadApi | undefined;
  let address = '';
  const startOther = () => TestWorkloadApi.start({ address, trustDomain, identities: [{ path: '/web' }], rotateEveryMs: 0 });
  const running = stack.use(
    await startRunning(
      { trustDomain: 'one.test', identities: [{ path: '/web' }] },
      `${BOTH}${more}`,
      undefined,
      async (_, folder) => {
        address = `unix://${folder}/other.sock`;
        other = stack.use(await startOther());
      },
    ),
  );
  await running.event('secrets_updated');
  const disposable = stack.move();
  return {
    running,
    addresses: [running.workloadApi.address, address],
    other: other as TestWorkloadApi,
    startOther: async () => {
      const started = await startOther();
      disposable.use(started);
      return started;
    },
    [Symbol.asyncDispose]: () => disposable.disposeAsync(),
  };
}

const idsOf = ({ running }: Stage) => [...running.observed.identities.keys()] as readonly string[];
const bundlesOf = ({ running }: Stage) => [...running.observed.bundles.keys()] as readonly string[];
const isReady = ({ running }: Stage) => allPassed(readyz(running.observed, Date.now()));
const connectedIn = (running: Running) =>
  new Measurements(running.observed)
    .collect()
    .find(({ instrument }) => instrument.name === 'spiffe.workload_api.connected')
    ?.points.map((point) => [point.attributes['spiffe.workload_api.address'], 'value' in point ? point.value : undefined]);

test('gives the identities and bundles of both, and the first identity is that of the first', async () => {
  await using stage = await startBoth();
  await eventually('both bundles', async () => (bundlesOf(stage).length === 2 ? true : undefined));
  expect(idsOf(stage)).toEqual([FIRST, SECOND]);
  const [secret] = await stage.running.client.stream().request(['default']).secrets();
  expect(secret?.name).toBe('default');
  expect(stage.running.sidecar.describe('default')).toMatchObject({ id: FIRST });
});

test('loses nothing while one of them is away, and gets what is newer when it is back', async () => {
  await using stage = await startBoth();
  const { running } = stage;
  const before = running.events.length;
  await stage.other.close();
  await running.eventAfter(before, 'workload_api_lost');
  expect([idsOf(stage), bundlesOf(stage), isReady(stage)]).toEqual([[FIRST, SECOND], ['one.test', 'two.test'], true]);
  const [first, second] = stage.addresses;
  expect(connectedIn(running)).toEqual([
    [first, 1],
    [second, 0],
  ]);
  await stage.startOther();
  expect(await running.eventAfter(before, 'svid_rotated')).toMatchObject({ id: SECOND });
  expect(connectedIn(running)).toEqual([
    [first, 1],
    [second, 1],
  ]);
});

test('loses only what the one gave that denies, and is ready with what the other gives', async () => {
  await using stage = await startBoth();
  stage.other.deny();
  expect(await stage.running.event('svid_withdrawn')).toMatchObject({ id: SECOND });
  expect([idsOf(stage), bundlesOf(stage), isReady(stage)]).toEqual([[FIRST], ['one.test'], true]);
  stage.running.workloadApi.deny();
  await eventually('not ready', async () => (isReady(stage) ? undefined : true));
});

test('uses the first of two that give one identity differently, and says so everywhere', async () => {
  await using stage = await startBoth('one.test');
  const { running, addresses } = stage;
  const [used, left] = addresses;
  const conflicts = [
    { of: 'svid', name: FIRST, used, left },
    { of: 'bundle', name: 'one.test', used, left },
  ];
  expect(running.events.filter(({ type }) => type === 'workload_api_conflict')).toMatchObject(conflicts);
  expect(running.observed.identities.get(FIRST as never)?.serial).toBe(running.workloadApi.serials().get(FIRST));
  const status = statusOf({
    observed: running.observed,
    listen: { kind: 'unix', path: running.socket },
    loaded: running.loaded,
    names: new Map(),
    counts: running.sidecar.counts,
    subscribers: { subscribers: [], total: 0, held: [] },
    now: Date.now(),
  });
  expect(status).toMatchObject({ upstreams: [{ address: used }, { address: left }], conflicts });
});

test('gets a token from the one that gives its identity', async () => {
  await using stage = await startBoth(
    'two.test',
    `secrets: [{ name: token, jwt_svid: { audience: [a], spiffe_id: "${SECOND}" } }]\n`,
  );
  const [secret] = await stage.running.client.stream().request(['token']).secrets();
  expect(secret?.name).toBe('token');
  expect(await stage.running.event('token_received')).toMatchObject({ id: SECOND });
});

test('has the keys of the tokens of both', async () => {
  await using stage = await startBoth();
  const { jwtBundles } = stage.running.sidecar;
  await jwtBundles.known();
  expect(['one.test', 'two.test', 'three.test'].map((name) => jwtBundles.of(name) !== undefined)).toEqual([true, true, false]);
});

test('takes a change of the list while it runs', async () => {
  await using stage = await startBoth();
  const before = stage.running.events.length;
  stage.running.configure('workload_api: { address: "unix://FOLDER/other.sock" }\n');
  expect(await stage.running.eventAfter(before, 'svid_withdrawn')).toMatchObject({ id: FIRST });
  expect([idsOf(stage), bundlesOf(stage)]).toEqual([[SECOND], ['two.test']]);
  expect(stage.running.observed.upstreams.all).toMatchObject([{ address: stage.addresses[1] }]);
  expect(connectedIn(stage.running)).toEqual([[undefined, 1]]);
});
