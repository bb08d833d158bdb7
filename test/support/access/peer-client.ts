/**
 * A peer that is somebody else: it becomes the user that its first argument says (JSON: PeerClientOptions), connects then, and writes a
 * line of JSON for whatever comes.
 */
import { writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { join } from 'node:path';
import { setImmediate } from 'node:timers/promises';
import { SdsClient } from '../sds/sds-client.ts';
import type { PeerClientOptions } from './peer.ts';

const options: PeerClientOptions = JSON.parse(process.argv[2] ?? '');
const { uid, gid, groups = [], cgroup, socket, names = [], node, asks, attempts = 1 } = options;
if (cgroup !== undefined) writeFileSync(join(cgroup, 'cgroup.procs'), String(process.pid));
process.setgroups?.([...groups]);
process.setgid?.(gid);
process.setuid?.(uid);

function tell(line: object): void {
  process.stdout.write(`${JSON.stringify(line)}\n`);
}

/** Says what an HTTP/2 client says first, and counts what comes back until the connection ends. */
async function attempt(): Promise<number> {
  const connection = connect(socket);
  let bytes = 0;
  connection.on('data', (chunk) => {
    bytes += chunk.length;
  });
  connection.on('error', () => undefined);
  connection.write('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n');
  connection.write(Buffer.from([0, 0, 0, 4, 0, 0, 0, 0, 0]));
  await new Promise((resolve) => connection.once('close', resolve));
  return bytes;
}

if (asks === 'bytes') {
  const AT_ONCE = 20;
  for (let left = attempts; left > 0; left -= AT_ONCE) {
    const counts = await Promise.all(Array.from({ length: Math.min(left, AT_ONCE) }, attempt));
    tell({ bytes: counts.reduce((sum, count) => sum + count, 0), attempts: counts.length });
    await setImmediate();
  }
} else {
  const client = new SdsClient(socket);
  const about = { node: { id: '', cluster: '', ...node } };
  if (asks === 'fetch') {
    const answer = client.fetch(names, about);
    await answer.then(
      ({ resources }) => tell({ fetched: resources.length }),
      ({ details, code }) => tell({ refused: details, code }),
    );
    client[Symbol.dispose]();
  } else if (asks === 'delta') {
    const stream = client.delta().request({ resource_names_subscribe: names, ...about });
    for (;;) {
      const response = await stream.next().catch((error: Error) => error);
      if (response instanceof Error) {
        tell({ ended: response.message });
        break;
      }
      stream.ack(response);
      tell({ got: response.resources.map(({ name }) => name), removed: response.removed_resources });
    }
    client[Symbol.dispose]();
  } else {
    const stream = client.stream().request(names, about);
    for (;;) {
      const secrets = await stream.secrets().catch((error: Error) => error);
      if (secrets instanceof Error) {
        tell({ ended: secrets.message });
        break;
      }
      const trusts = secrets.map(({ validation_context }) => JSON.stringify(validation_context ?? '').length);
      tell({ got: secrets.map(({ name }) => name), trusts });
    }
    client[Symbol.dispose]();
  }
}
