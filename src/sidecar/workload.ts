/** One workload on its way from what it may have to the streams of its Envoys: the sidecar has one, a node one for each process. */
import type { AccessRules } from '../access/access-rules.ts';
import type { Clock } from '../clock.ts';
import type { Configuration } from '../config/schema/schema.ts';
import { matcherOf } from '../config/values/pattern.ts';
import { prefixesOf } from '../config/values/presets.ts';
import type { EventListener } from '../events.ts';
import type { StreamNumbers } from '../sds/numbers.ts';
import { SdsService, type SdsSettings } from '../sds/service.ts';
import type { Naming } from '../secrets/naming.ts';
import { SecretPublisher } from '../secrets/publisher.ts';
import { namedTokens, tokenRequests } from '../secrets/token-set.ts';
import { CertificateReader } from '../spiffe/certificate-reader.ts';
import type { SharedAuthorities } from '../spiffe/shared-authorities.ts';
import { EMPTY_CONTEXT, type X509Context } from '../spiffe/x509-context.ts';
import { JoinedWatch } from '../workload-api/joined-watch.ts';
import { TokenSource } from '../workload-api/token-source.ts';
import type { WorkloadApi } from '../workload-api/workload-api.ts';

export interface WorkloadOptions {
  /** Who says what it may have: one, or several that are joined. */
  readonly apis: readonly WorkloadApi[];
  readonly configuration: Configuration;
  readonly access?: AccessRules | undefined;
  readonly events: EventListener;
  readonly clock: Clock;
  /** Uniform in [0, 1). */
  readonly random: () => number;
  /** Of streams and updates, when several workloads tell of them in one log. Default: its own. */
  readonly numbers?: StreamNumbers | undefined;
  /** Certificates of CAs that several workloads have. Default: its own. */
  readonly authorities?: SharedAuthorities | undefined;
  /** Called with each context, once its secrets are served. */
  readonly onContext?: (context: X509Context) => void;
}

/** A workload's identities, secrets and streams. Nothing in it is shared with another workload, except certificates of CAs. */
export class Workload {
  /** Serves its secrets. */
  readonly service: SdsService;
  /** Asks for them when somebody asks here. */
  readonly jwtBundles: JoinedWatch['jwtBundles'];
  readonly #publisher: SecretPublisher;
  readonly #tokens: TokenSource;
  readonly #watch: JoinedWatch;
  #configuration: Configuration;
  #context = EMPTY_CONTEXT;

  constructor({ apis, configuration, access, events, clock, random, numbers, authorities, onContext }: WorkloadOptions) {
    this.#configuration = configuration;
    const onPermissionDenied = () => this.#configuration.on_permission_denied;
    const naming = namingOf(configuration);
    const common = { clock, random, onPermissionDenied, events };
    this.service = new SdsService(sdsSettings(configuration, access), { events, clock, ...(numbers && { numbers }) });
    this.#watch = new JoinedWatch({
      ...common,
      apis,
      reader: () => new CertificateReader(authorities),
      onContext: (context, reason) => {
        this.#context = context;
        this.#tokens.adopt(context);
        this.#publisher.adopt(context, reason);
        onContext?.(context);
      },
    });
    this.jwtBundles = this.#watch.jwtBundles;
    this.#tokens = new TokenSource({
      ...common,
      api: this.#watch.tokens,
      onChange: (cause) => this.#publisher.tokensChanged(cause),
    });
    this.#tokens.configure(tokenRequests(namedTokens(naming)));
    this.#publisher = new SecretPublisher(naming, {
      clock,
      events,
      publish: (update) => this.service.update(update),
      tokens: this.#tokens,
    });
  }

  /** What it has now. */
  get context(): X509Context {
    return this.#context;
  }

  start(): void {
    this.#watch.start();
  }

  /** @param apis those that say what it may have from now on; absent: the same as before */
  configure(configuration: Configuration, access: AccessRules | undefined, apis?: readonly WorkloadApi[]): void {
    this.#configuration = configuration;
    this.service.configure(sdsSettings(configuration, access));
    const naming = namingOf(configuration);
    this.#tokens.configure(tokenRequests(namedTokens(naming)));
    this.#publisher.configure(naming);
    if (apis !== undefined) this.#watch.configure(apis);
  }

  /** Asks no more for what it may have. Its streams stay as they are. */
  stop(): void {
    this.#watch.stop();
    this.#tokens.stop();
    this.#publisher.stop();
  }

  /** Stops, and overwrites the private keys that it has: its streams must have ended. */
  forget(): void {
    this.stop();
    this.service.wipe(this.#publisher.wipe());
    for (const { privateKey } of this.#context.svids) privateKey.fill(0);
    this.#context = EMPTY_CONTEXT;
  }
}

function sdsSettings({ sds, names, validation }: Configuration, access: AccessRules | undefined): SdsSettings {
  return {
    validation: validation.mode,
    answerEmptyRequest: names.answer_empty_request,
    onDemand: matcherOf(names.on_demand),
    maxNames: sds.limits.names_per_stream,
    bundleAckTimeoutMs: sds.bundle_ack_timeout,
    access,
  };
}

function namingOf({ names, secrets, validation }: Configuration): Naming {
  const { crl, unsafe_merge } = validation;
  return { ...names, prefixes: prefixesOf(names.preset), secrets, crl, unsafe_merge };
}
