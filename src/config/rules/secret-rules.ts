/** The rules for `secrets:` that need more than one secret's own values, which the schema cannot check. */

import type { Configuration } from '../schema/schema.ts';
import type { RegexProblem } from '../values/regex.ts';
import type { Issue } from './problems.ts';

/** A plain list of CAs must not mix trust domains: each CA could issue identities of the others. */
export function mergeProblems({ secrets, validation: { unsafe_merge } }: Configuration): readonly Issue[] {
  return secrets.flatMap((secret, i) => {
    const { mode, trust_domains = [] } = 'validation' in secret ? secret.validation : {};
    if (unsafe_merge || mode !== 'trusted_ca' || trust_domains.length < 2) return [];
    const reason = 'in one trusted_ca each of these trust domains could mint the identities of the others';
    const message = `${reason}: name one, use mode: spiffe, or accept it with validation.unsafe_merge: true`;
    return [{ code: 'custom', path: ['secrets', i, 'validation', 'trust_domains'], message } as const];
  });
}

/** One problem for each regular expression that Envoy would refuse. */
export function regexProblems({ secrets }: Configuration, regexProblem: RegexProblem): readonly Issue[] {
  return secrets.flatMap((secret, i) => {
    const { match } = 'validation' in secret ? secret.validation : { match: [] };
    return match.flatMap((matcher, j) => {
      const message = 'regex' in matcher ? regexProblem(matcher.regex) : undefined;
      if (message === undefined) return [];
      return [{ code: 'custom', path: ['secrets', i, 'validation', 'match', j, 'regex'], message } as const];
    });
  });
}
