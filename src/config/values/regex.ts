/** Regular expressions in matchers: Envoy reads them as RE2 and refuses the whole secret when it cannot. */
import { messageOf } from '../../error.ts';

/** What is wrong with a regular expression, and how to mend it; undefined: nothing. */
export type RegexProblem = (regex: string) => string | undefined;

/** Checks syntax; the engine that it takes is loaded by the first call. */
export async function regexChecker(): Promise<RegexProblem> {
  const { RE2JS } = await import('re2js');
  return (regex) => {
    try {
      RE2JS.compile(regex);
      return undefined;
    } catch (error) {
      const reason = messageOf(error).replace(/^error parsing regexp: /, '');
      return `Envoy cannot read ${JSON.stringify(regex)} (${reason}): write RE2, which has no look-around and no back-references`;
    }
  };
}
