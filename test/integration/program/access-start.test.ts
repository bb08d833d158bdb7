/** Rules on who gets what are nothing without somebody to ask who a peer is. */
import { afterEach, expect, test } from 'vitest';
import { rehearseStart } from '../../../src/sidecar/rehearsal.ts';
import { loadText } from '../../support/sidecar/configuration.ts';
import { startRunning } from '../../support/sidecar/sidecar.ts';

const platform = Object.getOwnPropertyDescriptor(process, 'platform') as PropertyDescriptor;
afterEach(() => void Object.defineProperty(process, 'platform', platform));

test('a sidecar with sds.allow does not start where the kernel cannot be asked who a peer is', async () => {
  Object.defineProperty(process, 'platform', { ...platform, value: 'plan9' });
  await expect(startRunning({}, 'sds: { allow: [{ uid: [0] }] }')).rejects.toMatchObject({
    code: 'credentials_unavailable',
    message: expect.stringMatching(/remove sds\.allow, or mend this: there is no SO_PEERCRED on plan9$/),
  });
});

test('check refuses it, too', async () => {
  Object.defineProperty(process, 'platform', { ...platform, value: 'plan9' });
  const { configuration } = loadText('sds: { allow: [{ uid: [0] }] }', { flags: { workload_api: 'unix:///agent.sock' } });
  await expect(rehearseStart(configuration)).rejects.toMatchObject({ code: 'credentials_unavailable' });
});

test('without rules it starts there', async () => {
  Object.defineProperty(process, 'platform', { ...platform, value: 'plan9' });
  await using running = await startRunning();
  await running.event('svid_received');
});
