/** `spiffe-sds get` as a user for whom no rule is: grpc-js says only that there is no connection. */
import { expect, test } from 'vitest';
import { streamSecrets } from '../../../src/cli/clients/sds-client.ts';
import { startRunning } from '../../support/sidecar/sidecar.ts';

test('get names sds.allow and this user when the sidecar closes the connection', async () => {
  await using running = await startRunning({}, 'sds: { allow: [{ uid: [4242] }] }');
  await running.event('secrets_updated');
  const secrets = streamSecrets({ kind: 'unix', path: running.socket }, [], AbortSignal.timeout(5_000));
  await expect(secrets.next()).rejects.toThrow(
    `no rule of sds.allow is for uid ${process.getuid?.()}, gid ${process.getgid?.()}`,
  );
});
