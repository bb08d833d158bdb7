// Answers who called, as Envoy tells it. Listens on loopback: only Envoy, which has seen the caller's certificate, can reach it.
import { createServer } from 'node:http';

const server = createServer((request, response) => {
  const peer = /URI=([^;,]+)/.exec(request.headers['x-forwarded-client-cert'] ?? '')?.[1] ?? 'nobody';
  response.end(`hello ${peer}, this is ${process.env.POD_NAME}\n`);
});
// Longer than Envoy keeps an idle connection to it, so that it is Envoy that closes.
server.keepAliveTimeout = 4_000_000;
server.listen(8080, '127.0.0.1', () => console.log('listening'));
process.once('SIGTERM', () => {
  server.close(() => process.exit());
  server.closeIdleConnections();
});
