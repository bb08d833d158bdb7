/** A rejected response with several secrets: which of them is to blame is found out. */
import { expect } from 'vitest';
import type { DiscoveryResponse } from '../../../src/gen/messages.ts';
import type { SdsStream } from '../../support/sds/sds-client.ts';
import { DB, namesOf, serialOf, WEB } from '../read.ts';
import type { Row, Source } from '../row.ts';

/** Answers as an Envoy to which these serials are bad, until nothing more comes. */
async function judge(stream: SdsStream, bad: readonly (string | undefined)[], { silent }: Source): Promise<readonly Judged[]> {
  const judged: Judged[] = [];
  for (;;) {
    const over = silent(stream).then(
      () => true,
      () => false,
    );
    if (await over) return judged;
    const response = await stream.next();
    const serials = new Map(namesOf(response).map((name) => [name, serialOf(response, name)]));
    const accepted = ![...serials.values()].some((serial) => bad.includes(serial));
    if (accepted) stream.ack(response);
    else stream.nack(response, 'no');
    judged.push({ serials, accepted, response });
  }
}

interface Judged {
  /** By name. */
  readonly serials: ReadonlyMap<string, string>;
  readonly accepted: boolean;
  readonly response: DiscoveryResponse;
}

/** A stream that has accepted both names, after which both have rotated. */
async function rotatedStream({
  client,
  rotate,
}: Source): Promise<{ readonly stream: SdsStream; readonly before: DiscoveryResponse }> {
  const stream = client.stream().request([WEB, DB]);
  const before = await stream.accept();
  await rotate();
  return { stream, before };
}

export const isolation: readonly Row[] = [
  {
    rule: 'is followed by what all had before, so that the same bytes count as new again',
    fact: 12,
    needs: 'source',
    async run(source) {
      const { stream, before } = await rotatedStream(source);
      stream.nack(await stream.next(), 'no');
      expect((await stream.next()).resources).toEqual(before.resources);
    },
  },
  {
    rule: 'ends with the newest of the innocent beside the last good of the culprit',
    fact: 12,
    needs: 'source',
    async run(source) {
      const { stream, before } = await rotatedStream(source);
      const serials = source.workloadApi.serials();
      const last = (await judge(stream, [serials.get(DB)], source)).findLast(({ accepted }) => accepted);
      expect(last?.serials).toEqual(
        new Map([
          [WEB, serials.get(WEB)],
          [DB, serialOf(before, DB)],
        ]),
      );
    },
  },
  {
    rule: 'finds the culprit also when it is the first',
    fact: 12,
    needs: 'source',
    async run(source) {
      const { stream } = await rotatedStream(source);
      const serials = source.workloadApi.serials();
      const judged = await judge(stream, [serials.get(WEB)], source);
      expect(judged.findLast(({ accepted }) => accepted)?.serials.get(DB)).toBe(serials.get(DB));
    },
  },
  {
    rule: 'of first content ends with the innocent alone',
    fact: 12,
    needs: 'source',
    async run(source) {
      const stream = source.client.stream().request([WEB, DB]);
      const serials = source.workloadApi.serials();
      const last = (await judge(stream, [serials.get(DB)], source)).findLast(({ accepted }) => accepted);
      expect(last?.serials).toEqual(new Map([[WEB, serials.get(WEB)]]));
    },
  },
  {
    rule: 'comes to an end when all are bad',
    fact: 11,
    needs: 'source',
    async run(source) {
      const { stream } = await rotatedStream(source);
      const judged = await judge(stream, [...source.workloadApi.serials().values()], source);
      expect(judged.filter(({ accepted }) => !accepted)).toHaveLength(3);
    },
  },
  {
    rule: 'tries one secret at a time, and waits for its answer',
    fact: 12,
    needs: 'source',
    async run(source) {
      const { stream } = await rotatedStream(source);
      stream.nack(await stream.next(), 'no');
      await stream.next();
      await source.silent(stream);
    },
  },
  {
    rule: 'does not stop the next rotation from reaching all',
    fact: 12,
    needs: 'source',
    async run(source) {
      const { stream } = await rotatedStream(source);
      await judge(stream, [source.workloadApi.serials().get(DB)], source);
      await source.rotate();
      const judged = await judge(stream, [], source);
      expect(judged.at(-1)?.serials).toEqual(source.workloadApi.serials());
    },
  },
  {
    rule: 'keeps every name that was once sent in each response',
    fact: 9,
    needs: 'source',
    async run(source) {
      const { stream } = await rotatedStream(source);
      const judged = await judge(stream, [source.workloadApi.serials().get(DB)], source);
      expect(judged.map(({ response }) => namesOf(response))).toEqual(judged.map(() => [WEB, DB]));
    },
  },
];
