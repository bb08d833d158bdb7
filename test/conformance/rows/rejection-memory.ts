/** An Envoy that connects again acknowledges the bytes that it rejected before, without applying them. */
import { expect } from 'vitest';
import type { DiscoveryResponse } from '../../../src/gen/messages.ts';
import { leafOf, onlySecret, serialOf, WEB } from '../read.ts';
import type { Row, Source } from '../row.ts';

const node = { id: 'envoy-1' };

/** The node accepted the first content and rejected the second, then its connection broke. */
async function rejectedOnce({ connect, rotate, running }: Source): Promise<DiscoveryResponse> {
  using client = connect();
  const stream = client.stream().request([WEB], { node });
  const good = await stream.accept();
  await rotate();
  stream.nack(await stream.next(), 'no');
  await running.event('secrets_rejected');
  return good;
}

export const rejectionMemory: readonly Row[] = [
  {
    rule: 'is answered with the last good content',
    fact: 11,
    needs: 'source',
    async run(source) {
      const good = await rejectedOnce(source);
      const answer = await source.client.stream().request([WEB], { node, version_info: good.version_info }).next();
      expect(answer.version_info).toBe(good.version_info);
    },
  },
  {
    rule: 'is followed by new content as soon as there is some',
    fact: 11,
    needs: 'source',
    async run(source) {
      const { version_info } = await rejectedOnce(source);
      const stream = source.client.stream().request([WEB], { node, version_info });
      await stream.accept();
      await source.rotate();
      expect(serialOf(await stream.next(), WEB)).toBe(source.workloadApi.serials().get(WEB));
    },
  },
  {
    rule: 'after the content has changed is answered with the newest',
    fact: 11,
    needs: 'source',
    async run(source) {
      const { version_info } = await rejectedOnce(source);
      await source.rotate();
      const answer = await source.client.stream().request([WEB], { node, version_info }).next();
      expect(serialOf(answer, WEB)).toBe(source.workloadApi.serials().get(WEB));
    },
  },
  {
    rule: 'of another node is answered with the newest',
    fact: 11,
    needs: 'source',
    async run(source) {
      const { version_info } = await rejectedOnce(source);
      const answer = await source.client
        .stream()
        .request([WEB], { node: { id: 'envoy-2' }, version_info })
        .next();
      expect(serialOf(answer, WEB)).toBe(source.workloadApi.serials().get(WEB));
    },
  },
  {
    rule: 'after a restart, which says no version, is answered with the newest',
    fact: 11,
    needs: 'source',
    async run(source) {
      await rejectedOnce(source);
      const answer = await source.client.stream().request([WEB], { node }).next();
      expect(serialOf(answer, WEB)).toBe(source.workloadApi.serials().get(WEB));
    },
  },
  {
    rule: 'twice in a row is answered with the last good content both times',
    fact: 11,
    needs: 'source',
    async run(source) {
      const { version_info } = await rejectedOnce(source);
      const reconnected = () => source.connect().stream().request([WEB], { node, version_info }).accept();
      expect([(await reconnected()).version_info, (await reconnected()).version_info]).toEqual([version_info, version_info]);
    },
  },
  {
    rule: 'in delta, with the last good version, gets nothing',
    fact: 11,
    needs: 'source',
    async run(source) {
      const { version_info } = await rejectedOnce(source);
      const stream = source.client.delta();
      stream.request({ node, resource_names_subscribe: [WEB], initial_resource_versions: { [WEB]: version_info } });
      await source.silent(stream);
    },
  },
  {
    rule: 'in delta is followed by new content as soon as there is some',
    fact: 11,
    needs: 'source',
    async run(source) {
      const { version_info } = await rejectedOnce(source);
      const stream = source.client.delta();
      stream.request({ node, resource_names_subscribe: [WEB], initial_resource_versions: { [WEB]: version_info } });
      await source.rotate();
      expect(leafOf(onlySecret(await stream.next())).serialNumber).toBe(source.workloadApi.serials().get(WEB));
    },
  },
];
