/** The service that is called. It knows nothing of TLS: its Envoy tells it who calls. */
import { createServer } from 'node:http';
import { endAtSigterm } from './signals.ts';

const server = createServer(({ headers }, response) => {
  response.setHeader('content-type', 'application/json');
  response.end(
    JSON.stringify({ id: headers['x-peer-id'], serial: headers['x-peer-serial'], notAfter: headers['x-peer-not-after'] }),
  );
});
server.listen(3000, '127.0.0.1', () => console.log('the backend waits for what its Envoy lets in'));
endAtSigterm();
