/** Values that a file writes as text. */
import * as z from 'zod';
import { messageOf } from '../../error.ts';

/** A value that is read from a text; the message of what `parse` throws becomes the problem. */
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
