/**
 * `spiffe-sds dev`, unless SPIRE is there in its place (--profile spire). Then it only stays, for podman-compose starts nothing that depends on
 * a container that has ended.
 */
import { existsSync } from 'node:fs';
import { endAtSigterm } from './signals.ts';

/** Left by ../spire/bootstrap.sh, which has ended before this begins. */
const spireIsHere = '/run/workload-api/spire';
const program: string = '/opt/spiffe-sds/main.js';

if (existsSync(spireIsHere)) {
  console.log('SPIRE serves the Workload API: this one has nothing to do.');
  setInterval(() => {}, 2 ** 31 - 1);
  endAtSigterm();
} else {
  process.argv[1] = program;
  await import(program);
}
