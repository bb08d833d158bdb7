/** The client's side of StreamSecrets: one stream, each response acknowledged, secrets as they come. */
import { Client, credentials, type ServiceError, status } from '@grpc/grpc-js';
import { type Endpoint, formatEndpoint, grpcTarget } from '../../endpoint.ts';
import { processUser } from '../../errno.ts';
import { SpiffeSdsError } from '../../error.ts';
import type { DiscoveryRequest, DiscoveryResponse, Secret } from '../../gen/messages.ts';
import { SECRET_TYPE_URL, secretVersion } from '../../secrets/secret.ts';
import { whyUnreachable } from '../../unreachable.ts';
import { decode, type Input, method } from '../../wire/wire.ts';

const SERVICE = 'envoy.service.secret.v3.SecretDiscoveryService';

/** What grpc-js says of a connection that was made, and closed before an answer. */
const CLOSED = /\b(read ECONNRESET|write EPIPE|Connection dropped|Failed to connect)\b/;

function closedByPeer(): string {
  return `the connection was closed: perhaps no rule of sds.allow is for ${processUser()}, or the sidecar ended; spiffe-sds doctor and its log say which`;
}

export interface ReceivedSecret {
  readonly secret: Secret;
  readonly version: string;
}

/**
 * Subscribes to `names`, or with none of them to everything, and yields what each response holds until `signal` aborts.
 * @throws SpiffeSdsError `sds_failed` when the socket does not answer or ends the stream
 */
export async function* streamSecrets(
  endpoint: Endpoint,
  names: readonly string[],
  signal: AbortSignal,
): AsyncGenerator<readonly ReceivedSecret[]> {
  const { path, requestSerialize, responseDeserialize } = method<Input<DiscoveryRequest>, DiscoveryResponse>(
    SERVICE,
    'StreamSecrets',
  );
  const client = new Client(grpcTarget(endpoint), credentials.createInsecure());
  const call = client.makeBidiStreamRequest(path, requestSerialize, responseDeserialize);
  const abort = () => call.cancel();
  signal.addEventListener('abort', abort);
  const ask = (request: Input<DiscoveryRequest>) => call.write({ type_url: SECRET_TYPE_URL, resource_names: names, ...request });
  try {
    ask({ node: { id: `spiffe-sds-get-${process.pid}`, user_agent_name: 'spiffe-sds' } });
    for await (const response of call as AsyncIterable<DiscoveryResponse>) {
      ask({ version_info: response.version_info, response_nonce: response.nonce });
      yield response.resources.map(({ value }) => {
        const secret = decode('envoy.extensions.transport_sockets.tls.v3.Secret', value);
        return { secret, version: secretVersion(value) };
      });
    }
  } catch (error) {
    if (signal.aborted) return;
    const { code = status.UNKNOWN, details } = error as ServiceError;
    const reason = CLOSED.test(details)
      ? closedByPeer()
      : code === status.UNAVAILABLE
        ? whyUnreachable(endpoint, details)
        : details;
    throw new SpiffeSdsError('sds_failed', `asking ${formatEndpoint(endpoint)} for secrets: ${status[code]}: ${reason}`, {
      cause: error,
    });
  } finally {
    signal.removeEventListener('abort', abort);
    call.cancel();
    client.close();
  }
}
