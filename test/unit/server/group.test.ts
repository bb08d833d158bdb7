import { readFile } from 'node:fs/promises';
import { describe, expect, test } from 'vitest';
import { gidOf } from '../../../src/server/group.ts';

const [name = '', , gid] = (await readFile('/etc/group', 'utf8')).trim().split('\n').at(-1)?.split(':') ?? [];

describe('gidOf', () => {
  test.for([
    ['a number', 1337, 1337],
    ['a number in text', '1337', 1337],
    ['the name of a group', name, Number(gid)],
  ] as const)('knows %s', async ([_what, group, expected]) => {
    expect(await gidOf(group)).toBe(expected);
  });

  test.for(['no-such-group', name.slice(0, -1), '-1', `${name} `])('does not know %j, and says what to do', async (group) => {
    await expect(gidOf(group)).rejects.toMatchObject({
      code: 'config_invalid',
      message: `sds.group: /etc/group has no group ${JSON.stringify(group)}: give its number instead`,
    });
  });
});
