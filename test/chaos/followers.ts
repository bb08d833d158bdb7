/** Raw SDS streams that take whatever comes, and know what they have. */
import { EventEmitter, once } from 'node:events';
import type { Secret } from '../../src/gen/messages.ts';
import { decode } from '../../src/wire/wire.ts';
import { leafOf } from '../conformance/read.ts';
import { type SdsClient, secretsOf } from '../support/sds/sds-client.ts';

/** How a follower asks. */
export const METHODS = ['sotw', 'delta', 'aggregated', 'aggregated delta'] as const;
export type Method = (typeof METHODS)[number];

export class Follower {
  /** Of the certificate that it has. */
  serial = '';
  /** Responses that came. */
  responses = 0;
  /** Why it hears no more. */
  end: string | undefined;
  readonly #news = new EventEmitter().setMaxListeners(0);

  /** @param name of a certificate */
  constructor(client: SdsClient, method: Method, name: string) {
    this.#follow(received(client, method, name)).catch((error: unknown) => {
      this.end = String(error);
      this.#news.emit('news');
    });
  }

  /**
   * Waits until it has this certificate.
   * @throws when its stream ends, or that takes longer than `limitMs`
   */
  async has(serial: string | undefined, limitMs: number): Promise<void> {
    const signal = AbortSignal.timeout(limitMs);
    while (this.serial !== serial) {
      if (this.end !== undefined) throw new Error(`a stream ended: ${this.end}`);
      if (signal.aborted) throw new Error(`a stream has ${this.serial} and not ${serial} after ${limitMs} ms`);
      await once(this.#news, 'news', { signal }).catch(() => undefined);
    }
  }

  async #follow(secrets: AsyncIterable<readonly Secret[]>): Promise<void> {
    for await (const response of secrets) {
      this.responses += 1;
      for (const secret of response) if (secret.tls_certificate !== null) this.serial = leafOf(secret).serialNumber;
      this.#news.emit('news');
    }
  }
}

async function* received(client: SdsClient, method: Method, name: string): AsyncGenerator<readonly Secret[]> {
  if (method === 'sotw' || method === 'aggregated') {
    const stream = (method === 'sotw' ? client.stream() : client.aggregated()).request([name]);
    for (;;) yield secretsOf(await stream.accept());
  }
  const stream = (method === 'delta' ? client.delta() : client.aggregatedDelta()).subscribe(name);
  for (;;) {
    const { resources } = await stream.accept();
    yield resources.flatMap(({ resource }) =>
      resource === null ? [] : [decode('envoy.extensions.transport_sockets.tls.v3.Secret', resource.value)],
    );
  }
}
