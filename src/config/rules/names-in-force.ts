/** Checks that no two entries of `names` and `secrets` define the same secret name. */

import { AUDIENCE_PREFIX } from '../../spiffe/jwt/jwt-token.ts';
import type { Configuration } from '../schema/schema.ts';
import { PRESETS, prefixesOf } from '../values/presets.ts';
import { type Issue, type Path, pathText } from './problems.ts';

const KEYS = ['default_svid', 'default_bundle', 'default_all_bundles'] as const;

interface NameInForce {
  readonly path: Path;
  readonly name: string;
  /** What set the name when the operator did not write it: the default or the preset. "" when the operator wrote it. */
  readonly givenBy: string;
}

/** One problem for each duplicate name. It points to an entry that the operator wrote, because a default cannot be edited. */
export function nameClashes({ names, secrets }: Configuration): readonly Issue[] {
  const prefixes = prefixesOf(names.preset);
  const preset = names.preset === 'spire' ? 'the default' : `from preset ${names.preset}`;
  const inForce: readonly NameInForce[] = [
    ...KEYS.map((key) => ({
      path: ['names', key],
      name: names[key],
      givenBy: names[key] === PRESETS[names.preset].names[key] ? preset : '',
    })),
    ...names.jwt_audiences.map((audience, i) => ({
      path: ['names', 'jwt_audiences', i],
      name: `${AUDIENCE_PREFIX}${audience}`,
      givenBy: '',
    })),
    ...secrets.map(({ name }, i) => ({ path: ['secrets', i, 'name'], name, givenBy: '' })),
  ].filter(({ name }) => name !== '');

  return inForce.flatMap((later, i) => {
    for (const earlier of inForce.slice(0, i)) {
      const what = clash(earlier, later, prefixes);
      if (what === undefined) continue;
      const [blamed, other] = later.givenBy === '' ? [later, earlier] : [earlier, later];
      const fix = other.givenBy === '' ? '' : `; rename this one, or turn the other off with ${pathText(other.path)}: ""`;
      return [{ code: 'custom', path: [...blamed.path], message: `${what}: a name stands for one secret${fix}` } as const];
    }
    return [];
  });
}

function clash(a: NameInForce, b: NameInForce, prefixes: readonly string[]): string | undefined {
  if (a.name === b.name) return `${describe(a)} and ${describe(b)} are both ${JSON.stringify(b.name)}`;
  for (const prefix of prefixes) {
    const [plain, long] = a.name.length < b.name.length ? [a, b] : [b, a];
    if (`${prefix}${plain.name}` !== long.name) continue;
    return `${describe(long)} is ${JSON.stringify(long.name)}, and so is ${describe(plain)}, which the preset serves with ${prefix} before it, too`;
  }
  return undefined;
}

function describe({ path, givenBy }: NameInForce): string {
  return givenBy === '' ? pathText(path) : `${pathText(path)} (${givenBy})`;
}
