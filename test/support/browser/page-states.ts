/** Sidecars in the states that people look at the status page for. */
import type { Event, WorkloadInfo } from '../../../src/events.ts';
import { parseSpiffeId, parseTrustDomain } from '../../../src/spiffe/spiffe-id.ts';
import { ManualClock } from '../clocks/manual-clock.ts';
import { freePort } from '../free-port.ts';
import { type Serving, type ServingOptions, serving } from '../sidecar/admin.ts';

const HOUR = 3_600_000;
const ENVOY = 'Failed to load certificate chain from <inline>, only P-256, P-384 or P-521 ECDSA certificates are supported';
const KEY = '-----BEGIN PRIVATE KEY-----\nMIGHAgEAMBMGByqGSM49\n-----END PRIVATE KEY-----';

export interface PageState extends Serving {
  readonly url: string;
}

export const PAGE_STATES = ['healthy', 'expired', 'held', 'nack', 'node'] as const;
export type PageStateName = (typeof PAGE_STATES)[number];

export async function pageState(name: PageStateName): Promise<PageState> {
  const identities = [{ path: '/web' }, { path: '/api', hint: 'internal' }];
  switch (name) {
    case 'healthy': {
      const it = await on({ workload: { identities } });
      await subscribed(it, ['default', 'ROOTCA']);
      await it.running.workloadApi.rotate();
      await it.running.event('svid_rotated');
      return it;
    }
    case 'expired': {
      const clock = new ManualClock();
      const it = await on({ workload: { identities, svidTtlMs: HOUR }, clock });
      await subscribed(it, ['default', 'ROOTCA']);
      clock.advance(HOUR);
      return it;
    }
    case 'held': {
      const it = await on({ workload: { identities } });
      await subscribed(it, ['default', 'defualt', 'nobody'], 'edge <b>');
      await it.running.event('names_held');
      return it;
    }
    case 'nack': {
      const it = await on({ workload: { identities } });
      const stream = await subscribed(it, ['default']);
      await it.running.workloadApi.rotate();
      stream.nack(await stream.next(), `${ENVOY}\n${KEY}`);
      await it.running.event('secrets_rejected');
      return it;
    }
    case 'node': {
      const broker = { address: 'unix://FOLDER/broker.sock' };
      const it = await on({ workload: { identities: [{ path: '/spiffe-sds' }] }, configuration: { mode: 'node', broker } });
      for (const event of ofWorkloads(Date.now())) it.running.observed.hear(event);
      return it;
    }
  }
}

async function on(options: ServingOptions): Promise<PageState> {
  const port = await freePort();
  const it = await serving({ ...options, admin: () => ({ listen: `127.0.0.1:${port}` }) });
  await it.running.event('bundle_updated');
  return { ...it, url: `http://127.0.0.1:${port}/` };
}

/** As an Envoy that has taken what it could get. */
async function subscribed({ running }: Serving, names: readonly string[], id = 'edge') {
  const stream = running.client.stream().request(names, { node: { id } });
  stream.ack(await stream.next());
  await running.event('secrets_accepted');
  return stream;
}

/** Two that have what they need, one whose SVID has expired, one for which there is no entry, and one that asks still. */
function ofWorkloads(now: number): readonly Event[] {
  const process = (number: number, uid: number): WorkloadInfo => ({ number, pid: 4_000 + number, uid });
  const [web, api, old, none, fresh] = [process(1, 33), process(2, 1337), process(3, 101), process(4, 1000), process(5, 1001)];
  const trustDomain = parseTrustDomain('example.org');
  const begun = (workload: WorkloadInfo): readonly Event[] => [
    { type: 'workload_begun', workload },
    { type: 'workload_api_connected', address: 'unix:///run/spire/broker.sock', afterMs: 3, workload },
  ];
  const received = (workload: WorkloadInfo, path: string, notAfter: number): Event => {
    const id = parseSpiffeId(`spiffe://example.org${path}`);
    return { type: 'svid_received', id, hint: '', serial: '0A1B2C', notAfter, workload };
  };
  const bundle = (workload: WorkloadInfo): Event => ({
    type: 'bundle_updated',
    trustDomain,
    authorities: 1,
    notAfter: now + 24 * HOUR,
    workload,
  });
  return [
    ...[web, api, old].flatMap((workload) => [...begun(workload), bundle(workload)]),
    received(web, '/web', now + HOUR),
    received(api, '/api', now + HOUR / 2),
    received(api, '/api-internal', now + HOUR),
    received(old, '/old', now - 60_000),
    { type: 'workload_begun', workload: none },
    {
      type: 'workload_api_lost',
      address: 'unix:///run/spire/broker.sock',
      code: 'PERMISSION_DENIED',
      details: 'no identity issued',
      meaning: 'no registration entry matches this process',
      failures: 3,
      retryInMs: 1_000,
      workload: none,
    },
    { type: 'workload_begun', workload: fresh },
  ];
}
