/** A real Prometheus beside a real sidecar: what it scrapes, what the dashboard shows of it, and when an alert fires. */
import { mkdtempDisposable, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { stringify } from 'yaml';
import { eventually } from '../../support/eventually.ts';
import { freePort } from '../../support/free-port.ts';
import { SdsClient } from '../../support/sds/sds-client.ts';
import { SidecarProcess } from '../../support/sidecar/sidecar-process.ts';
import { expressionsOf, readDashboard } from '../../support/telemetry/dashboard.ts';
import { OtlpReceiver } from '../../support/telemetry/otlp-receiver.ts';
import { describeWithPrometheus, type Labels, Prometheus, promtool } from '../../support/telemetry/prometheus.ts';
import { TestWorkloadApi } from '../../support/workload-api/test-workload-api.ts';

const WEB = 'spiffe://example.org/web';
const NAMES = [WEB, 'spiffe://example.org'];
const HOUR_MS = 3_600_000;

/** A secret that holds a JWT-SVID. */
const TOKEN = 'token';

interface Scene extends AsyncDisposable {
  readonly workloadApi: TestWorkloadApi;
  readonly client: SdsClient;
  /** `HOST:PORT`. */
  readonly admin: string;
  readonly prometheus: Prometheus;
  /** Where traces go. */
  readonly collector: OtlpReceiver;
  /** Changes the sidecar's configuration file. */
  configure(settings: object): Promise<void>;
}

/** SVIDs are rotated only when told. */
async function open(svidTtlMs = HOUR_MS, secrets: readonly object[] = []): Promise<Scene> {
  await using stack = new AsyncDisposableStack();
  const folder = stack.use(await mkdtempDisposable(join(tmpdir(), 'spiffe-sds-'))).path;
  const address = `unix://${join(folder, 'workload.sock')}`;
  const socket = join(folder, 'sds.sock');
  const admin = `127.0.0.1:${await freePort()}`;
  const collector = stack.use(await OtlpReceiver.open({ protocol: 'http/protobuf' }));
  const watched = {
    admin: { listen: admin },
    telemetry: { otlp: { endpoint: collector.endpoint } },
    secrets,
  };
  const identities = [{ path: '/web' }];
  const workloadApi = stack.use(await TestWorkloadApi.start({ address, identities, svidTtlMs, rotateEveryMs: 0 }));
  const sidecar = stack.use(await SidecarProcess.start(address, socket, watched));
  const client = stack.use(new SdsClient(socket));
  const prometheus = stack.use(await Prometheus.start(folder, [admin]));
  const owned = stack.move();
  return {
    workloadApi,
    client,
    admin,
    prometheus,
    collector,
    configure: (settings) => writeFile(sidecar.file, stringify({ ...watched, ...settings })),
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  };
}

/** Waits until an instant query has one sample, of that value. */
function value(prometheus: Prometheus, expression: string, expected: number): Promise<unknown> {
  return eventually(`${expression} to be ${expected}`, async () => {
    const samples = await prometheus.query(expression);
    const found = samples.map((sample) => sample.value);
    if (found.length === 1 && found[0] === expected) return true;
    throw new Error(`it is ${found.join(', ') || 'absent'}`);
  });
}

/** The labels of an alert that fires, or did for a moment. */
function fired(prometheus: Prometheus, alert: string): Promise<Labels> {
  return eventually(`the alert ${alert}`, async () => {
    const samples = await prometheus.query(`last_over_time(ALERTS{alertname="${alert}", alertstate="firing"}[1m])`);
    return samples[0]?.labels;
  });
}

/** What only node mode, and only a sidecar with several Workload APIs in conflict has. */
const OF_OTHERS = ['spiffe_sds_workloads', 'spiffe_workload_api_conflicts'];

describeWithPrometheus()('a real Prometheus', () => {
  it('sees a rotation: the new certificate, the push, and that it was taken', async () => {
    await using scene = await open();
    const { prometheus, workloadApi, client, collector } = scene;
    const stream = client.stream().request(NAMES);
    await stream.accept();
    await value(prometheus, 'spiffe_sds_ack_total{secret_kind="tls_certificate", sds_method="sotw"}', 1);
    const before = await prometheus.query('spiffe_svid_rotation_last_success_seconds');

    await workloadApi.rotate();
    await stream.accept();

    await value(prometheus, `spiffe_svid_rotation_total{spiffe_id="${WEB}"}`, 1);
    await value(prometheus, 'spiffe_sds_push_total{secret_kind="tls_certificate", sds_method="sotw"}', 2);
    await value(prometheus, 'spiffe_sds_ack_total{secret_kind="tls_certificate", sds_method="sotw"}', 2);
    await value(prometheus, 'spiffe_sds_push_duration_seconds_count{secret_kind="tls_certificate"}', 2);
    await value(prometheus, 'spiffe_sds_rotation_duration_seconds_count', 1);
    const after = await prometheus.query('spiffe_svid_rotation_last_success_seconds');
    expect(after[0]?.value).toBeGreaterThan(before[0]?.value ?? Number.NaN);
    expect(await prometheus.alerts()).toEqual([]);
    const exemplar = await eventually('an exemplar', async () => {
      const [found] = await prometheus.exemplars('spiffe_sds_push_duration_seconds_bucket');
      return found;
    });
    await collector.reached(() => collector.items('traces').some((span) => span.trace_id === exemplar.labels['trace_id']));
  });

  it('fires the alerts of an SVID that is not rotated, and by then each panel of the dashboard has something to show', async () => {
    await using scene = await open(8_000, [{ name: TOKEN, jwt_svid: { audience: ['payments'] } }]);
    const { prometheus, workloadApi, client, configure, admin } = scene;
    const stream = client.stream().request(NAMES);
    await stream.accept();
    await client.stream().request([TOKEN]).accept();
    await workloadApi.rotate();
    await stream.accept();
    await workloadApi.rotate();
    stream.nack(await stream.next(), 'Failed to load certificate chain');
    await configure({ sds: { limits: { names_per_stream: 2 } } });
    await value(prometheus, 'spiffe_configuration_reload_total{result="applied"} > bool 0', 1);
    await client.stream().request(['one', 'two', 'three']).ended();

    const where = { job: 'spiffe-sds', instance: admin };
    expect(await fired(prometheus, 'SpiffeSdsSvidExpiring')).toMatchObject({ ...where, spiffe_id: WEB });
    expect(await fired(prometheus, 'SpiffeSdsSvidExpired')).toMatchObject({ ...where, spiffe_id: WEB });
    expect(await fired(prometheus, 'SpiffeSdsSecretRejected')).toMatchObject({ ...where, reason: 'certificate' });
    expect(await fired(prometheus, 'SpiffeSdsPeerDenied')).toMatchObject({ ...where, reason: 'names' });
    const ofThisOne = expressionsOf(readDashboard()).filter(
      ({ expression }) => !OF_OTHERS.some((metric) => expression.includes(metric)),
    );
    for (const { title, refId, expression } of ofThisOne) {
      expect(await prometheus.query(expression), `${title} (${refId}): ${expression}`).not.toHaveLength(0);
    }
  });

  it('has nothing to say against the metrics', async () => {
    await using scene = await open();
    const { client, admin } = scene;
    await client.stream().request(NAMES).accept();
    const metrics = await eventually('the ACK in /metrics', async () => {
      const text = await (await fetch(`http://${admin}/metrics`)).text();
      return text.includes('spiffe_sds_ack_total') ? text : undefined;
    });

    expect(await promtool(['check', 'metrics'], metrics)).toEqual({ ok: true, output: '' });
  });
});
