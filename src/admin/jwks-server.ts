/** JWT bundles on a Unix socket of their own, for Envoy's jwt_authn: nothing else is there, so that whoever verifies tokens learns no more. */
import type { Clock } from '../clock.ts';
import type { Configuration } from '../config/schema/schema.ts';
import type { EventListener } from '../events.ts';
import { JWKS_PATH, type JwksSource, jwksAnswer } from './jwks.ts';
import { type ReadOnlyServer, startReadOnlyServer, text } from './read-only-server.ts';

export interface JwksServerOptions {
  readonly configuration: Configuration;
  readonly jwtBundles: JwksSource;
  readonly clock: Clock;
  readonly events: EventListener;
}

/** Serves until it is closed. Never rejects: a failure is the event `jwks_failed`, and it is tried again. */
export async function startJwksServer(options: JwksServerOptions): Promise<ReadOnlyServer | undefined> {
  const { configuration, jwtBundles, clock, events } = options;
  const endpoint = configuration.jwks.listen;
  if (endpoint === 'off') return undefined;
  // The first verifier is not to wait for it.
  void jwtBundles.known();
  return startReadOnlyServer({
    endpoint,
    sds: configuration.sds,
    setting: 'jwks.listen',
    clock,
    isOurs: () => true,
    answer(path, asked) {
      if (path.startsWith(JWKS_PATH)) return jwksAnswer(jwtBundles, path, asked, clock);
      return text(404, `there is nothing here but ${JWKS_PATH}TRUST-DOMAIN\n`);
    },
    onListening: (address) => events({ type: 'jwks_listening', address }),
    onFailed: (address, reason) => events({ type: 'jwks_failed', address, reason }),
    mend: 'choose another path, "" for none (jwks.listen)',
  });
}
