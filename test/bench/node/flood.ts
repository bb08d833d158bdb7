/** A process that asks as fast as it is answered, on many streams: `flood.ts SOCKET`. It says when it was answered for the first time. */
import process from 'node:process';
import { subscription } from '../frames.ts';
import { SdsConnection } from '../sds-connection.ts';

const STREAMS = 100;
const NAMES = ['default', 'ROOTCA'];
const [, , socket = ''] = process.argv;

const connection = await SdsConnection.open(socket);
const requests = NAMES.map((name) => subscription(name, 0));
let answers = 0;
for (let i = 0; i < STREAMS; i++) {
  connection.stream(requests[0] as Buffer, (_, stream) => {
    if (answers++ === 0) process.stdout.write('answered\n');
    stream.write(requests[answers % requests.length]);
  });
}
