/** The whole program that `serve` and `dev` run: the sidecar with its log, telemetry and admin API. */
import type { ReadOnlyServer } from '../admin/read-only-server.ts';
import { type Clock, systemClock } from '../clock.ts';
import type { ConfigurationChanges } from '../config/changes.ts';
import type { LoadedConfiguration } from '../config/load.ts';
import { addressesOf } from '../config/schema/workload-api-schema.ts';
import type { Environment } from '../config/source/sources.ts';
import type { EventListener } from '../events.ts';
import { ownProcess } from '../process/own-process.ts';
import { allPassed, readyz, startupz } from '../state/readiness.ts';
import { Telemetry } from '../telemetry/telemetry.ts';
import { type Sidecar, startSidecar } from './sidecar.ts';
import { NO_WORKLOAD_API, WHY_NO_RULES } from './start-needs.ts';
import { serviceNotifications } from './systemd.ts';

export interface ApplicationOptions {
  readonly loaded: LoadedConfiguration;
  readonly env: Environment;
  readonly clock?: Clock;
  /** Gets every event too, after the telemetry. */
  readonly events?: EventListener;
  /** It has the process for itself: keeps others out of it, and gives back memory. Default false. */
  readonly ownsProcess?: boolean;
}

export interface Application extends AsyncDisposable {
  readonly sidecar: Sidecar;
  /** Applies the settings that can change while it runs. */
  configure(loaded: LoadedConfiguration, changes: ConfigurationChanges): void;
  /** Reports that the changed configuration cannot be used. */
  reject(reason: string): void;
  /** Opens the audit's file again, after somebody moved it away. */
  reopen(): void;
  /** Ends all streams, then the admin API and the telemetry. */
  stop(): Promise<void>;
}

/** @throws SpiffeSdsError as `startSidecar` does */
export async function startApplication({
  loaded,
  env,
  clock = systemClock,
  events: alsoHear,
  ownsProcess = false,
}: ApplicationOptions): Promise<Application> {
  const { configuration } = loaded;
  let inForce = loaded;
  const telemetry = await Telemetry.open({ configuration, env, clock });
  const notify = serviceNotifications(env, (reason) => telemetry.events({ type: 'telemetry_failed', reason }));
  const events: EventListener = (event) => {
    telemetry.events(event);
    alsoHear?.(event);
    if (event.type === 'draining') notify('STOPPING=1');
    else if (allPassed(startupz(telemetry.observed, clock.now()))) notify('READY=1');
  };
  const ready = () => allPassed(readyz(telemetry.observed, clock.now()));
  const own = ownsProcess ? ownProcess(configuration.process, clock, events) : undefined;
  const beforeIdentities = async () => own?.close();
  const sidecar = await startSidecar({ configuration, events, clock, ready, beforeIdentities });
  telemetry.count(() => sidecar.counts);

  let admin: ReadOnlyServer | undefined;
  let jwks: ReadOnlyServer | undefined;
  let stopped = false;
  let peersAreUnknown = false;
  let forgetMemory: (() => void) | undefined;
  /** Starts what the first Envoys do not need for their secrets. */
  const startRest = async () => {
    forgetMemory = own?.keepSmall(() => sidecar.shed());
    const { loadCredentialsReader } = await import('../server/peer-credentials.ts');
    const readCredentials = await loadCredentialsReader(events);
    if (readCredentials === undefined) peersAreUnknown = true;
    else sidecar.identifyPeers(readCredentials);
    if (!stopped && configuration.jwks.listen !== 'off') {
      const { startJwksServer } = await import('../admin/jwks-server.ts');
      jwks = await startJwksServer({ configuration, jwtBundles: sidecar.jwtBundles, clock, events });
    }
    await telemetry.loadExporters();
    const { listen, probes } = configuration.admin;
    if (stopped || (listen === 'off' && probes === 'off')) return;
    const { startAdmin } = await import('../admin/admin-server.ts');
    const { observed } = telemetry;
    const metrics = (accept: string) => telemetry.metrics(accept);
    admin = await startAdmin({ configuration, loaded: () => inForce, observed, sidecar, metrics, clock, events });
  };
  let rest: Promise<void> | undefined;
  const cancelRest = sidecar.afterStart(() => {
    rest = startRest();
  });

  const stop = async () => {
    stopped = true;
    cancelRest();
    forgetMemory?.();
    await sidecar.stop();
    await rest;
    await admin?.close();
    await jwks?.close();
    await telemetry.close();
  };
  return {
    sidecar,
    configure(next, { live, needRestart }) {
      if (peersAreUnknown && next.configuration.sds.allow !== undefined) {
        events({ type: 'configuration_rejected', reason: `${WHY_NO_RULES}: peer_credentials_unavailable in the log says why` });
        return;
      }
      if (addressesOf(next.configuration.workload_api).length === 0) {
        events({ type: 'configuration_rejected', reason: NO_WORKLOAD_API });
        return;
      }
      inForce = next;
      telemetry.setLogLevel(next.configuration.log.level);
      sidecar.configure(next.configuration);
      events({ type: 'configuration_reloaded', changed: live, needRestart });
    },
    reject: (reason) => events({ type: 'configuration_rejected', reason }),
    reopen: () => telemetry.reopen(),
    stop,
    [Symbol.asyncDispose]: stop,
  };
}
