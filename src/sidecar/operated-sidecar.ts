/** A sidecar as it is operated: with its log, its telemetry and its admin API around it. */

import type { ReadOnlyServer } from '../admin/read-only-server.ts';
import { type Clock, systemClock } from '../clock.ts';
import type { ConfigurationChanges } from '../config/changes.ts';
import type { LoadedConfiguration } from '../config/load.ts';
import type { Environment } from '../config/source/sources.ts';
import type { EventListener } from '../events.ts';
import { ownProcess } from '../process/own-process.ts';
import { allPassed, readyz, startupz } from '../state/readiness.ts';
import { Telemetry } from '../telemetry/telemetry.ts';
import { type Sidecar, startSidecar } from './sidecar.ts';
import { serviceNotifications } from './systemd.ts';

export interface OperatedSidecarOptions {
  readonly loaded: LoadedConfiguration;
  readonly env: Environment;
  readonly clock?: Clock;
  /** Hears of everything, too. */
  readonly events?: EventListener;
  /** It has the process for itself: keeps others out of it, and gives back memory. Default false. */
  readonly ownsProcess?: boolean;
}

export interface OperatedSidecar extends AsyncDisposable {
  readonly sidecar: Sidecar;
  /** Applies what can change while it runs. */
  configure(loaded: LoadedConfiguration, changes: ConfigurationChanges): void;
  /** The changed configuration cannot be used. */
  reject(reason: string): void;
  /** Opens anew what was moved away: the audit's file. */
  reopen(): void;
  /** Ends all streams, then what tells of them. */
  stop(): Promise<void>;
}

/** @throws SpiffeSdsError as `startSidecar` does */
export async function startOperatedSidecar({
  loaded,
  env,
  clock = systemClock,
  events: alsoTell,
  ownsProcess = false,
}: OperatedSidecarOptions): Promise<OperatedSidecar> {
  const { configuration } = loaded;
  let inForce = loaded;
  const telemetry = await Telemetry.open({ configuration, env, clock });
  const notify = serviceNotifications(env, (reason) => telemetry.events({ type: 'telemetry_failed', reason }));
  const events: EventListener = (event) => {
    telemetry.events(event);
    alsoTell?.(event);
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
  let forgetMemory: (() => void) | undefined;
  /** What nobody needs while the first Envoys wait for their secrets. */
  const openRest = async () => {
    forgetMemory = own?.keepSmall(() => sidecar.shed());
    const { loadCredentialsReader } = await import('../server/peer-credentials.ts');
    sidecar.identifyPeers(await loadCredentialsReader(events));
    if (!stopped && configuration.jwks.listen !== 'off') {
      const { startJwksServer } = await import('../admin/jwks-server.ts');
      jwks = await startJwksServer({ configuration, jwtBundles: sidecar.jwtBundles, clock, events });
    }
    await telemetry.openRest();
    const { listen, probes } = configuration.admin;
    if (stopped || (listen === 'off' && probes === 'off')) return;
    const { startAdmin } = await import('../admin/admin-server.ts');
    const { observed } = telemetry;
    const metrics = (accept: string) => telemetry.metrics(accept);
    admin = await startAdmin({ configuration, loaded: () => inForce, observed, sidecar, metrics, clock, events });
  };
  let rest: Promise<void> | undefined;
  const forgetRest = sidecar.afterStart(() => {
    rest = openRest();
  });

  const stop = async () => {
    stopped = true;
    forgetRest();
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
