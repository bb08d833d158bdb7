/** A codec for values that are text in a file. */
import * as z from 'zod';
import { messageOf } from '../../error.ts';

/** Reads a value from a text. If `parse` throws, the error's message becomes the problem. */
export function textCodec<T>(parse: (text: string) => T, format: (value: T) => string) {
  return z.codec(z.string(), z.custom<T>(), {
    decode(text, context) {
      try {
        return parse(text);
      } catch (error) {
        context.issues.push({ code: 'custom', input: text, message: messageOf(error) });
        return z.NEVER;
      }
    },
    encode: format,
  });
}
