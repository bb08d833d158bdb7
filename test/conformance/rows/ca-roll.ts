/** A CA roll: the bundle goes out before the certificates that the new CA signed. */
import { expect } from 'vitest';
import { authoritiesOf, leafOf, onlySecret, secretOf, serialOf, WEB } from '../read.ts';
import type { Row, Source } from '../row.ts';

const IMPATIENT = 'sds: { bundle_ack_timeout: 50ms }';
const PATIENT = 'sds: { bundle_ack_timeout: 1h }';

/** A roll that a bundle's subscriber has not answered yet. Both streams have accepted what there was before. */
async function halfRolled({ client, workloadApi, after }: Source) {
  const bundle = client.stream().request(['ROOTCA']);
  const certificate = client.stream().request([WEB]);
  const before = serialOf(await certificate.accept(), WEB);
  await bundle.accept();
  await after(() => workloadApi.rollAuthority(), 'bundle_rollout');
  return { bundle, certificate, before, rolled: await bundle.next(), serial: workloadApi.serials().get(WEB) };
}

export const caRoll: readonly Row[] = [
  {
    rule: 'the bundle with both authorities comes first, the certificate waits for its ACK',
    fact: 16,
    needs: 'source',
    config: PATIENT,
    async run(source) {
      const { rolled, certificate } = await halfRolled(source);
      expect(authoritiesOf(secretOf(rolled, 'ROOTCA'))).toHaveLength(2);
      await source.silent(certificate);
    },
  },
  {
    rule: 'the ACK of the bundle lets the certificate go',
    fact: 16,
    needs: 'source',
    config: PATIENT,
    async run(source) {
      const { rolled, bundle, certificate, serial } = await halfRolled(source);
      bundle.ack(rolled);
      expect(serialOf(await certificate.next(), WEB)).toBe(serial);
    },
  },
  {
    rule: 'a NACK of the bundle is an answer too',
    fact: 16,
    needs: 'source',
    config: PATIENT,
    async run(source) {
      const { rolled, bundle, certificate, serial } = await halfRolled(source);
      bundle.nack(rolled, 'no');
      expect(serialOf(await certificate.next(), WEB)).toBe(serial);
    },
  },
  {
    rule: 'a stream that closes is not waited for',
    fact: 16,
    needs: 'source',
    config: PATIENT,
    async run(source) {
      const { bundle, certificate, serial } = await halfRolled(source);
      bundle.cancel();
      expect(serialOf(await certificate.next(), WEB)).toBe(serial);
    },
  },
  {
    rule: 'a stream that never answers is not waited for beyond the limit',
    fact: 16,
    needs: 'source',
    config: IMPATIENT,
    async run(source) {
      const { certificate, serial } = await halfRolled(source);
      expect(serialOf(await certificate.next(), WEB)).toBe(serial);
      expect(await source.running.event('bundle_rolled_out')).toMatchObject({ late: 1 });
    },
  },
  {
    rule: 'every stream with a bundle is waited for, not the first only',
    fact: 16,
    needs: 'source',
    config: PATIENT,
    async run(source) {
      const delta = source.client.delta().subscribe('ALL');
      await delta.accept();
      const { rolled, bundle, certificate, serial } = await halfRolled(source);
      bundle.ack(rolled);
      await source.silent(certificate);
      delta.ack(await delta.next());
      expect(serialOf(await certificate.next(), WEB)).toBe(serial);
    },
  },
  {
    rule: 'without a subscriber of a bundle nothing is waited for',
    fact: 16,
    needs: 'source',
    config: PATIENT,
    async run({ client, workloadApi }) {
      const certificate = client.stream().request([WEB]);
      await certificate.accept();
      await workloadApi.rollAuthority();
      expect(serialOf(await certificate.next(), WEB)).toBe(workloadApi.serials().get(WEB));
    },
  },
  {
    rule: 'on one stream the response with the new bundle still has the old certificate',
    fact: 16,
    needs: 'source',
    config: PATIENT,
    async run({ client, workloadApi }) {
      const stream = client.stream().request([WEB, 'ROOTCA']);
      const before = serialOf(await stream.accept(), WEB);
      await workloadApi.rollAuthority();
      const [rolled, last] = [await stream.accept(), await stream.accept()];
      expect(authoritiesOf(secretOf(rolled, 'ROOTCA'))).toHaveLength(2);
      expect([serialOf(rolled, WEB), serialOf(last, WEB)]).toEqual([before, workloadApi.serials().get(WEB)]);
    },
  },
  {
    rule: 'in delta the bundle comes first too',
    fact: 16,
    needs: 'source',
    config: PATIENT,
    async run({ client, workloadApi }) {
      const stream = client.delta().subscribe(WEB, 'ROOTCA');
      await stream.accept();
      await stream.accept();
      await workloadApi.rollAuthority();
      const [first, second] = [onlySecret(await stream.accept()), onlySecret(await stream.accept())];
      expect([first.name, leafOf(second).serialNumber]).toEqual(['ROOTCA', workloadApi.serials().get(WEB)]);
    },
  },
  {
    rule: 'a stream that comes meanwhile gets the old certificate, and the new one like the others',
    fact: 16,
    needs: 'source',
    config: PATIENT,
    async run(source) {
      const { rolled, bundle, before, serial } = await halfRolled(source);
      const late = source.client.stream().request([WEB]);
      expect(serialOf(await late.accept(), WEB)).toBe(before);
      bundle.ack(rolled);
      expect(serialOf(await late.next(), WEB)).toBe(serial);
    },
  },
  {
    rule: 'a rotation meanwhile waits as well, and the newest goes out in the end',
    fact: 16,
    needs: 'source',
    config: PATIENT,
    async run(source) {
      const { rolled, bundle, certificate } = await halfRolled(source);
      await source.rotate();
      await source.silent(certificate);
      bundle.ack(rolled);
      expect(serialOf(await certificate.accept(), WEB)).toBe(source.workloadApi.serials().get(WEB));
      await source.silent(certificate);
    },
  },
  {
    rule: 'a denial meanwhile is not waited with',
    fact: 16,
    needs: 'source',
    config: PATIENT,
    async run(source) {
      const delta = source.client.delta().subscribe(WEB);
      await delta.accept();
      await halfRolled(source);
      source.workloadApi.deny();
      expect((await delta.next()).removed_resources).toEqual([WEB]);
    },
  },
  {
    rule: 'an authority that was in the bundle before it signs makes nobody wait',
    fact: 16,
    needs: 'source',
    config: PATIENT,
    async run({ client, workloadApi, after, silent }) {
      const [bundle, certificate] = [client.stream().request(['ROOTCA']), client.stream().request([WEB])];
      await Promise.all([bundle.accept(), certificate.accept()]);
      await after(() => workloadApi.prepareAuthority());
      await bundle.accept();
      await silent(certificate);
      await after(() => workloadApi.activateAuthority());
      expect(serialOf(await certificate.next(), WEB)).toBe(workloadApi.serials().get(WEB));
    },
  },
];
