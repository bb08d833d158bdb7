/** Group names as the machine knows them: Node cannot look them up. */
import { readFile } from 'node:fs/promises';
import { SpiffeSdsError } from '../error.ts';

/**
 * @param group a name, or a gid
 * @throws SpiffeSdsError `config_invalid` when there is no such group
 */
export async function gidOf(group: string | number): Promise<number> {
  if (typeof group === 'number') return group;
  if (/^\d+$/.test(group)) return Number(group);
  const groups = await readFile('/etc/group', 'utf8').catch(() => '');
  const entry = groups.split('\n').find((line) => line.startsWith(`${group}:`));
  if (entry === undefined) {
    throw new SpiffeSdsError(
      'config_invalid',
      `sds.group: /etc/group has no group ${JSON.stringify(group)}: give its number instead`,
    );
  }
  return Number(entry.split(':')[2]);
}
