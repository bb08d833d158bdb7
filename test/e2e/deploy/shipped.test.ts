/** envoy/*.yaml as they are, but for the ports: other tests may have those. */
import { readFile, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { expect, it } from 'vitest';
import { findEnvoy } from '../../../envoy/install.ts';
import { eventually } from '../../support/eventually.ts';
import { describeWithEnvoy } from '../../support/mesh/envoy.ts';
import { Child } from '../../support/sidecar/child.ts';
import { startRunning } from '../../support/sidecar/sidecar.ts';

const FOLDER = join(import.meta.dirname, '..', '..', '..', 'envoy');
const IN_FOLDER = 'cd "$1" && exec "$2" -c "$3" --disable-hot-restart --concurrency 1';

describeWithEnvoy()('envoy/*.yaml', () => {
  it.each([
    ['server.yaml', 'backend-envoy'],
    ['client.yaml', 'frontend-envoy'],
  ])('%s: gets its secrets from whatever folder its user has a socket in, when it is started there', async (file, node) => {
    await using running = await startRunning({ identities: [{ path: '/backend' }, { path: '/frontend' }] });
    const folder = dirname(running.socket);
    const moved = join(folder, file);
    await writeFile(moved, (await readFile(join(FOLDER, file), 'utf8')).replaceAll(/port_value: \d+/g, 'port_value: 0'));
    await using _envoy = new Child('sh', ['-c', IN_FOLDER, 'sh', folder, findEnvoy() ?? '', moved]);
    const accepted = await eventually('both secrets', async () => {
      const names = running.events.flatMap((event) =>
        event.type === 'secrets_accepted' && event.node === node ? event.secrets : [],
      );
      return names.length === 2 ? names.map(({ kind }) => kind).sort() : undefined;
    });
    expect(accepted).toEqual(['tls_certificate', 'validation_context']);
  });
});
