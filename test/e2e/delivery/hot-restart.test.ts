/** A hot restart: for a while there are two Envoys with one node id. */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { describeWithEnvoy } from '../../support/mesh/envoy.ts';
import { BACKEND, Stage } from '../../support/mesh/mesh.ts';
import { SteadyLoad } from '../../support/mesh/steady-load.ts';
import type { LoggedEvent } from '../../support/sidecar/sidecar-process.ts';

const TIMES = ['--drain-time-s', '1', '--parent-shutdown-time-s', '2'];

describeWithEnvoy()('a hot restart of an Envoy', () => {
  it('both get a rotation while there are two; the second lives on, and no request is lost', async () => {
    await using stage = await Stage.prepare();
    const workloadApi = await stage.startWorkloadApi();
    const sidecar = await stage.startSidecar();
    const idFile = join(stage.folder, 'base-id');
    const first = await stage.startServer({ args: ['--use-dynamic-base-id', '--base-id-path', idFile, ...TIMES] });
    const port = await first.port('mtls');
    const client = await stage.startClient(port);
    await Promise.all([first.live(), client.live()]);
    await using load = new SteadyLoad(`http://127.0.0.1:${await client.port('plain')}/`);
    await load.more(50);

    const baseId = await readFile(idFile, 'utf8');
    const second = await stage.startServer({ port, args: ['--base-id', baseId, '--restart-epoch', '1', ...TIMES] });
    await second.live();
    const before = sidecar.events.length;
    await workloadApi.rotate();
    await second.presents(workloadApi.serials().get(BACKEND));
    await sidecar.until((events) => streamsThatAccepted(events.slice(before)) === 2 || undefined);

    await first.ended();
    await load.more(50);
    await workloadApi.rotate();
    await second.presents(workloadApi.serials().get(BACKEND));
    await load.more(50);
    await load.stop();
    expect(load.failures).toEqual(new Map());
  });
});

/** How many took the backend's certificate. */
function streamsThatAccepted(events: readonly LoggedEvent[]): number {
  const accepted = events.filter(({ event, secrets = [] }) => event === 'secrets_accepted' && secrets[0]?.name === BACKEND);
  return new Set(accepted.map(({ stream }) => stream)).size;
}
