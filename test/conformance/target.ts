/** The server that the suite runs against: a sidecar of our own for each rule, or one that SDS_SOCKET names. */
import { expect } from 'vitest';
import type { Event } from '../../src/events.ts';
import { eventually } from '../support/eventually.ts';
import { SdsClient } from '../support/sds/sds-client.ts';
import { startRunning } from '../support/sidecar/sidecar.ts';
import type { Quiet, Row, Source, Target } from './row.ts';

const DEFAULT_NAMES = { cert: 'default', bundle: 'ROOTCA' };
const WORKLOAD = { identities: [{ path: '/web' }, { path: '/db' }] };

/** A server that is not ours; undefined: test our own. SDS_NAMES says what it calls a certificate and a bundle. */
export const foreignSocket = process.env['SDS_SOCKET'];

/** @throws what the rule finds broken */
export async function runRow(row: Row): Promise<void> {
  await using parts = new AsyncDisposableStack();
  if (foreignSocket !== undefined) {
    if (row.needs === 'nothing') await row.run(targetOf(foreignSocket, namesFromEnvironment(), parts));
  } else if (row.needs === 'nothing') {
    const running = parts.use(await startRunning(WORKLOAD));
    await running.event('context_received');
    await row.run(targetOf(running.socket, DEFAULT_NAMES, parts));
  } else {
    await row.run(await startSource(row, parts));
  }
}

async function startSource(
  { workload, config }: Row & { readonly needs: 'source' },
  parts: AsyncDisposableStack,
): Promise<Source> {
  const running = parts.use(await startRunning({ ...WORKLOAD, ...workload }, config));
  // Without an identity there is nothing to wait for.
  if (workload?.identities?.length !== 0) await running.event('context_received');
  const after: Source['after'] = async (change, type = 'context_received', times = 1) => {
    const count = () => running.events.filter((event: Event) => event.type === type).length;
    const wanted = count() + times;
    await change();
    await eventually(type, async () => (count() >= wanted ? true : undefined), 5_000);
  };
  return {
    ...targetOf(running.socket, DEFAULT_NAMES, parts),
    running,
    workloadApi: running.workloadApi,
    after,
    rotate: () => after(() => running.workloadApi.rotate()),
  };
}

function targetOf(socket: string, names: typeof DEFAULT_NAMES, parts: AsyncDisposableStack): Target {
  const connect = () => parts.use(new SdsClient(socket));
  const client = connect();
  return {
    ...names,
    socket,
    client,
    connect,
    async silent(...streams: readonly Quiet[]) {
      // Each is a round trip on the connection of the streams; whether it succeeds is another matter.
      for (let i = 0; i < 3; i++) await client.fetch([names.cert]).catch(() => undefined);
      expect(streams.map(({ waiting, open }) => ({ waiting, open }))).toEqual(streams.map(() => ({ waiting: 0, open: true })));
    },
  };
}

function namesFromEnvironment(): typeof DEFAULT_NAMES {
  const pairs = (process.env['SDS_NAMES'] ?? '').split(',').filter((pair) => pair !== '');
  const given = Object.fromEntries(pairs.map((pair) => [pair.slice(0, pair.indexOf('=')), pair.slice(pair.indexOf('=') + 1)]));
  return { ...DEFAULT_NAMES, ...given };
}
