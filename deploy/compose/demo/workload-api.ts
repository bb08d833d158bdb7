/** `spiffe-sds dev`, unless a Workload API is served already: with --profile spire, SPIRE's agent has started before. */
import { once } from 'node:events';
import { connect } from 'node:net';

const socket = '/run/workload-api/agent.sock';
const program: string = '/opt/spiffe-sds/main.js';

const probe = connect(socket);
const isServed = await once(probe, 'connect').then(
  () => true,
  () => false,
);
probe.destroy();

if (isServed) console.log(`A Workload API is served on ${socket} already, this one is not needed.`);
else {
  process.argv[1] = program;
  await import(program);
}
