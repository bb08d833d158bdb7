/** The bootstraps of envoy/ as they are shipped, moved to sockets and ports of a test. */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type Document, parse, parseDocument, stringify } from 'yaml';

const FOLDER = join(import.meta.dirname, '..', '..', '..', 'envoy');
const CLUSTERS = ['static_resources', 'clusters'];
const ENDPOINT = ['load_assignment', 'endpoints', 0, 'lb_endpoints', 0, 'endpoint', 'address'];

/** The side that is called. Its listener `mtls` gets a port from the kernel unless one is named. */
export async function serverBootstrap(sdsSocket: string, port = 0): Promise<Document> {
  return shipped('server.yaml', sdsSocket, port);
}

/** The side that calls: its listener `plain` leads to `serverPort`. */
export async function clientBootstrap(sdsSocket: string, serverPort: number): Promise<Document> {
  const bootstrap = await shipped('client.yaml', sdsSocket, 0);
  bootstrap.setIn([...CLUSTERS, 1, ...ENDPOINT, 'socket_address', 'port_value'], serverPort);
  const options = 'envoy.extensions.upstreams.http.v3.HttpProtocolOptions';
  const http = [...CLUSTERS, 1, 'typed_extension_protocol_options', options, 'common_http_protocol_options'];
  // A rotation shows in full handshakes only: one for every request.
  bootstrap.setIn([...http, 'max_requests_per_connection'], 1);
  bootstrap.setIn([...CLUSTERS, 1, 'transport_socket', 'typed_config', 'max_session_keys'], 0);
  return bootstrap;
}

/**
 * A bootstrap of envoy/ with some of its listeners and clusters, each listener on a port from the kernel, its sockets in `folder`, and
 * `port` in the place of that of the cluster `backend`.
 */
export async function partOf(file: string, id: string, listeners: readonly string[], folder: string, port = 0): Promise<string> {
  const text = await readFile(join(FOLDER, file), 'utf8');
  const moved = text.replaceAll(/path: ([\w-]+\.sock)/g, (_, name) => `path: ${join(folder, name)}`);
  const bootstrap = parse(moved, { maxAliasCount: -1 });
  bootstrap.node.id = id;
  bootstrap.admin.address.socket_address.port_value = 0;
  const resources = bootstrap.static_resources;
  resources.listeners = resources.listeners.filter(({ name }: { name: string }) => listeners.includes(name));
  for (const { address } of resources.listeners) if (address.socket_address !== undefined) address.socket_address.port_value = 0;
  const backend = resources.clusters.find(({ name }: { name: string }) => name === 'backend');
  if (backend === undefined || port === 0)
    resources.clusters = resources.clusters.filter((cluster: unknown) => cluster !== backend);
  else backend.load_assignment.endpoints[0].lb_endpoints[0].endpoint.address.socket_address.port_value = port;
  return stringify(bootstrap, { aliasDuplicateObjects: false });
}

async function shipped(file: string, sdsSocket: string, port: number): Promise<Document> {
  const bootstrap = parseDocument(await readFile(join(FOLDER, file), 'utf8'));
  bootstrap.setIn(['admin', 'address', 'socket_address', 'port_value'], 0);
  bootstrap.setIn([...CLUSTERS, 0, ...ENDPOINT, 'pipe', 'path'], sdsSocket);
  bootstrap.setIn(['static_resources', 'listeners', 0, 'address', 'socket_address', 'port_value'], port);
  return bootstrap;
}
