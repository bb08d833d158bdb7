/** Options of Node with which a process that has keys does not start. */
import { SpiffeSdsError } from '../error.ts';
import { unsafeOptions } from '../process/unsafe-options.ts';

/** @throws SpiffeSdsError `process_unsafe` */
export function refuseUnsafe(): void {
  const found = unsafeOptions(process.execArgv, process.env);
  if (found.length === 0) return;
  throw new SpiffeSdsError('process_unsafe', `private keys would not be safe: ${found.join('; ')}. Start it without`);
}
