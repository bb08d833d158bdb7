/** What the schema cannot tell of a secret under `secrets:`, for it takes more than the secret. */

import type { Configuration } from '../schema/schema.ts';
import type { RegexProblem } from '../values/regex.ts';
import type { Issue } from './problems.ts';

/** In a plain list of CAs each could mint the identities of the other trust domains. */
export function mergeProblems({ secrets, validation: { unsafe_merge } }: Configuration): readonly Issue[] {
  return secrets.flatMap((secret, i) => {
    const { mode, trust_domains = [] } = 'validation' in secret ? secret.validation : {};
    if (unsafe_merge || mode !== 'trusted_ca' || trust_domains.length < 2) return [];
    const reason = 'in one trusted_ca each of these trust domains could mint the identities of the others';
    const message = `${reason}: name one, use mode: spiffe, or accept it with validation.unsafe_merge: true`;
    return [{ code: 'custom', path: ['secrets', i, 'validation', 'trust_domains'], message } as const];
  });
}

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
