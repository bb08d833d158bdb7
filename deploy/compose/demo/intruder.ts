/**
 * Who has no identity here. Every few seconds it calls the backend twice: without a certificate, and with one that says it is the frontend
 * but comes from a CA of its own. It shares a network with the Envoys, and no volume; with --profile node also the SDS socket, where it asks
 * for the frontend's certificate.
 */
import { execFile } from 'node:child_process';
import { createServer } from 'node:http';
import { connect } from 'node:tls';
import { promisify } from 'node:util';
import { selfSigned } from './self-signed.ts';
import { endAtSigterm } from './signals.ts';

const EVERY_MS = 3_000;
const BACKEND = { host: 'backend-envoy', port: 8443, ALPNProtocols: ['http/1.1'], rejectUnauthorized: false };

const FRONTEND = 'spiffe://example.org/frontend';
const forged = selfSigned(FRONTEND);

const attempts = [
  { how: 'without a certificate', run: () => call({}), refused: 0, letIn: 0, reason: '' },
  { how: 'with a forged certificate', run: () => call(forged), refused: 0, letIn: 0, reason: '' },
];
if (process.env['SPIFFE_SDS_LISTEN'] !== undefined)
  attempts.push({ how: "with the frontend's certificate from the SDS socket", run: ask, refused: 0, letIn: 0, reason: '' });

/** Resolves when there is an answer, rejects when the connection is refused. */
function call(identity: object): Promise<void> {
  return new Promise((resolve, reject) => {
    const socket = connect({ ...BACKEND, ...identity }, () =>
      socket.write('GET / HTTP/1.1\r\nHost: backend\r\nConnection: close\r\n\r\n'),
    );
    socket.setTimeout(EVERY_MS, () => socket.destroy(new Error('no answer')));
    socket.once('data', () => resolve(socket.end() as never));
    socket.once('error', reject);
    socket.once('close', () => reject(new Error('closed without an answer')));
  });
}

/** Resolves when there is a certificate, rejects when the socket gives none. */
async function ask(): Promise<void> {
  await promisify(execFile)('spiffe-sds', ['get', '--timeout', '1s', FRONTEND]).catch(({ stderr }) => {
    throw new Error(stderr);
  });
}

/** Only TLS refuses, and a socket that answers; who is not there yet has nothing to say. */
const isRefusal = (code: string, reason: string) => code.startsWith('ERR_SSL') || /sent no secret named/.test(reason);

async function intrude(): Promise<void> {
  for (const attempt of attempts) {
    try {
      await attempt.run();
      attempt.letIn += 1;
      console.log(`LET IN ${attempt.how}`);
    } catch (thrown) {
      const { code = '', message, reason = message } = thrown as NodeJS.ErrnoException & { readonly reason?: string };
      if (!isRefusal(code, reason)) continue;
      if (attempt.refused++ === 0) console.log(`refused ${attempt.how}: ${reason}`);
      attempt.reason = reason;
    }
  }
}

createServer((_request, response) => {
  response.setHeader('content-type', 'application/json');
  response.end(JSON.stringify({ attempts: attempts.map(({ run: _run, ...rest }) => rest) }));
}).listen(8000);
setInterval(() => void intrude(), EVERY_MS);
void intrude();
endAtSigterm();
