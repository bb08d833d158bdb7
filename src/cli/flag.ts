/** Values of flags that are no part of the configuration. */
import { messageOf, SpiffeSdsError } from '../error.ts';

/**
 * @param flag as it is typed: `--timeout`
 * @param parse throws a sentence when the text will not do
 * @throws SpiffeSdsError `usage`, which names the flag
 */
export function flagValue<T>(flag: string, text: string, parse: (text: string) => T): T {
  try {
    return parse(text);
  } catch (error) {
    throw new SpiffeSdsError('usage', `${flag}: ${messageOf(error)}`, { cause: error });
  }
}
