/**
 * `spiffe-sds dev`, unless a Workload API is served already: with --profile spire, SPIRE's agent has started before. Then it only stays, for
 * podman-compose starts nothing that depends on a container that has ended.
 */
import { once } from 'node:events';
import { connect } from 'node:net';
import { endAtSigterm } from './signals.ts';

const socket = '/run/workload-api/agent.sock';
const program: string = '/opt/spiffe-sds/main.js';

const probe = connect(socket);
const isServed = await once(probe, 'connect').then(
  () => true,
  () => false,
);
probe.destroy();

if (isServed) {
  console.log(`A Workload API is served on ${socket} already: this one has nothing to do.`);
  setInterval(() => {}, 2 ** 31 - 1);
  endAtSigterm();
} else {
  process.argv[1] = program;
  await import(program);
}
