/** Checks regular expressions in matchers. Envoy uses RE2 and refuses the whole secret if an expression is not valid RE2. */
import { messageOf } from '../../error.ts';

/** Says what is wrong with a regular expression and how to fix it; returns undefined when it is valid. */
export type RegexProblem = (regex: string) => string | undefined;

/** Makes a syntax check. The first call loads the RE2 engine. */
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
