import { stat } from 'node:fs/promises';
import { dirname } from 'node:path';
import { formatConfiguration } from '../config/format.ts';
import { adviceOn } from '../config/rules/advice.ts';
import type { Configuration } from '../config/schema/schema.ts';
import { answers, isOpenToAll } from '../server/unix-listener.ts';
import { rehearseStart } from '../sidecar/rehearsal.ts';
import { type ConfigurationFlags, configurationOf } from './configuration.ts';
import { refuseUnsafe } from './refuse-unsafe.ts';

/**
 * Prints the effective configuration. What `serve` would refuse it refuses, in the same words: for people, with a line for each problem.
 * What is legal and unwise stands on stderr.
 */
export async function check(flags: ConfigurationFlags): Promise<void> {
  refuseUnsafe();
  const loaded = await configurationOf(flags);
  const { configuration } = loaded;
  await rehearseStart(configuration);
  for (const advice of [...(await allAdvice(configuration)), ...(await inTheWay(configuration))])
    process.stderr.write(`warning: ${advice}\n`);
  process.stdout.write(formatConfiguration(loaded));
}

/** With what only the machine tells. */
export async function allAdvice(configuration: Configuration): Promise<readonly string[]> {
  const { sds, log } = configuration;
  const folder = dirname(sds.listen.path);
  const open = await isOpenToAll(folder);
  const auditFolder = typeof log.audit === 'object' ? dirname(log.audit.path) : undefined;
  return [
    ...adviceOn(configuration),
    ...(open ? [`sds.listen: everybody may put another socket in its place in ${folder}: chmod o-w ${folder}`] : []),
    ...(auditFolder === undefined || (await isFolder(auditFolder))
      ? []
      : [`log.audit: audit lines are lost, for there is no folder ${auditFolder}: mkdir -p ${auditFolder}`]),
  ];
}

/** The sidecar that is to be replaced, as a rule. */
async function inTheWay({ sds }: Configuration): Promise<readonly string[]> {
  const { path } = sds.listen;
  if ((await stat(path).catch(() => undefined)) === undefined || !(await answers(path))) return [];
  return [`sds.listen: a process answers at ${path} now: serve starts when it has ended`];
}

function isFolder(path: string): Promise<boolean> {
  return stat(path).then(
    (found) => found.isDirectory(),
    () => false,
  );
}
