/**
 * The connections to the admin API: bounded, and the newest always gets in. Whoever keeps some open, or asks slowly, must not keep a
 * kubelet's probe out, which would kill the pod.
 */
import type { Server } from 'node:http';
import type { Socket } from 'node:net';

const MAX_CONNECTIONS = 32;

/** Closes the connection that was not used for the longest time when there is one too many; one whose request is being answered last. */
export function boundConnections(server: Server): void {
  /** How many requests of each are being answered; the one that was used last is the last. */
  const connections = new Map<Socket, number>();
  server.on('connection', (socket: Socket) => {
    if (connections.size >= MAX_CONNECTIONS) dropped(connections)?.destroy();
    connections.set(socket, 0);
    socket.once('close', () => connections.delete(socket));
  });
  server.on('request', ({ socket }, response) => {
    use(socket, 1);
    response.once('close', () => use(socket, -1));
  });

  function use(socket: Socket, more: number): void {
    const answering = connections.get(socket);
    if (answering === undefined) return;
    connections.delete(socket);
    connections.set(socket, answering + more);
  }
}

function dropped(connections: Map<Socket, number>): Socket | undefined {
  const idle = [...connections].find(([, answering]) => answering === 0);
  const [socket] = idle ?? [...connections][0] ?? [];
  // It closes later than the next one comes.
  if (socket !== undefined) connections.delete(socket);
  return socket;
}
