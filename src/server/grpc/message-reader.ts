/** Cuts what comes on a stream into messages, wherever its chunks end, and keeps no more of a message than has come. */
import { COMPRESSED, PREFIX_BYTES } from '../../wire/frame.ts';
import { type Failure, Status } from './status.ts';

export interface MessageSink {
  /** Once it is false, the rest is dropped. */
  readonly open: boolean;
  /** @param bytes without their prefix */
  message(bytes: Buffer): void;
}

export class MessageReader {
  /** Prefix and message, as far as they have come. */
  #partial: Buffer | undefined;
  #have = 0;

  /** Bytes of memory that are taken by a message which is not whole. */
  get held(): number {
    return this.#partial?.length ?? 0;
  }

  /** @returns what is wrong with it; then nothing more is to be read */
  read(chunk: Buffer, maxMessageBytes: number, sink: MessageSink): Failure | undefined {
    for (let at = 0; at < chunk.length && sink.open; ) {
      const left = chunk.length - at;
      if (this.#have === 0 && left >= PREFIX_BYTES) {
        const failure = checkPrefix(chunk, at, maxMessageBytes);
        if (failure !== undefined) return failure;
        const end = at + PREFIX_BYTES + chunk.readUInt32BE(at + 1);
        if (end <= chunk.length) {
          sink.message(chunk.subarray(at + PREFIX_BYTES, end));
          at = end;
          continue;
        }
      }
      at += this.#keep(chunk, at);
      if (this.#partial === undefined || this.#have < PREFIX_BYTES) continue;
      const failure = checkPrefix(this.#partial, 0, maxMessageBytes);
      if (failure !== undefined) return failure;
      if (this.#have === this.#wanted) sink.message(this.#take());
    }
    return undefined;
  }

  /** Lets go what has come of a message. */
  clear(): void {
    this.#partial = undefined;
    this.#have = 0;
  }

  /** Bytes, until more is known. */
  get #wanted(): number {
    if (this.#partial === undefined || this.#have < PREFIX_BYTES) return PREFIX_BYTES;
    return PREFIX_BYTES + this.#partial.readUInt32BE(1);
  }

  /** Copies: a chunk may be a small part of what was read from the socket, and would keep all of it. */
  #keep(chunk: Buffer, at: number): number {
    const wanted =
      this.#have === 0 && chunk.length - at >= PREFIX_BYTES ? PREFIX_BYTES + chunk.readUInt32BE(at + 1) : this.#wanted;
    const count = Math.min(wanted - this.#have, chunk.length - at);
    const have = this.#have + count;
    if (this.#partial === undefined || this.#partial.length < have) {
      // What a prefix promises costs its sender nothing.
      const grown = Buffer.allocUnsafeSlow(Math.min(wanted, 2 * have));
      this.#partial?.copy(grown, 0, 0, this.#have);
      this.#partial = grown;
    }
    chunk.copy(this.#partial, this.#have, at, at + count);
    this.#have = have;
    return count;
  }

  #take(): Buffer {
    const message = (this.#partial as Buffer).subarray(PREFIX_BYTES, this.#have);
    this.clear();
    return message;
  }
}

function checkPrefix(bytes: Buffer, at: number, maxMessageBytes: number): Failure | undefined {
  const flag = bytes[at] as number;
  const length = bytes.readUInt32BE(at + 1);
  if (flag === COMPRESSED) {
    return { code: Status.INTERNAL, details: 'a message is compressed, but the call has no grpc-encoding' };
  }
  if (flag !== 0) return { code: Status.INTERNAL, details: `a message begins with ${flag}, which is no flag of gRPC` };
  if (length <= maxMessageBytes) return undefined;
  return { code: Status.RESOURCE_EXHAUSTED, details: `a message has ${length} bytes, the limit is ${maxMessageBytes}` };
}
