/** Everything of `instruments.ts`, measured by what the events say. */
import {
  type DenialReason,
  type Event,
  type RejectionKind,
  SECRET_KINDS,
  type SecretKind,
  type StreamInfo,
} from '../../events.ts';
import type { SidecarCounts } from '../../state/counts.ts';
import type { Observed } from '../../state/observed.ts';
import type { ObservedUpstream, Upstreams } from '../../state/upstreams.ts';
import type { SpanContext } from '../traces/span.ts';
import { Counter, Histogram, type HistogramCell } from './aggregates.ts';
import { AUDIENCE, ID, INSTRUMENTS, type Instrument, TRUST_DOMAIN, WORKLOAD_API } from './instruments.ts';
import type { Metric, NumberPoint } from './metric.ts';

interface OftenCounted {
  readonly push: { value: number };
  readonly ack: { value: number };
  readonly duration: HistogramCell;
}

interface Rotation {
  readonly update: number;
  /** When its message came. */
  readonly at: number;
  /** Whether it concerned any stream. */
  pushed: boolean;
}

const METHODS: readonly StreamInfo['method'][] = ['sotw', 'delta'];
const REJECTIONS: readonly RejectionKind[] = ['certificate', 'private_key', 'trusted_ca', 'crl', 'malformed', 'other'];
const DENIALS: readonly DenialReason[] = ['access', 'connections', 'process', 'workloads', 'names', 'malformed', 'requests'];
/** The number of spiffe-sds itself, beside those of workloads. */
const ITSELF = 0;
const NO_COUNTS: SidecarCounts = { connections: 0, streams: 0, subscriptions: 0, held: 0 };

export class Measurements {
  readonly #observed: Observed;
  #counts: () => SidecarCounts = () => NO_COUNTS;
  #spanOf: (update: number) => SpanContext | undefined = () => undefined;
  readonly #svidFetch = counterOf(INSTRUMENTS.svidFetch);
  readonly #jwtFetch = counterOf(INSTRUMENTS.jwtFetch);
  readonly #svidRotation = counterOf(INSTRUMENTS.svidRotation);
  readonly #bundleUpdate = counterOf(INSTRUMENTS.bundleUpdate);
  readonly #attestation = counterOf(INSTRUMENTS.attestation);
  readonly #push = counterOf(INSTRUMENTS.push);
  readonly #ack = counterOf(INSTRUMENTS.ack);
  readonly #nack = counterOf(INSTRUMENTS.nack);
  readonly #peerDenied = counterOf(INSTRUMENTS.peerDenied);
  readonly #reload = counterOf(INSTRUMENTS.reload);
  readonly #svidFetchDuration = histogramOf(INSTRUMENTS.svidFetchDuration);
  readonly #pushDuration = histogramOf(INSTRUMENTS.pushDuration);
  readonly #rotationDuration = histogramOf(INSTRUMENTS.rotationDuration);
  /** What happens for each push and each answer. */
  readonly #often: Readonly<Record<StreamInfo['method'], Readonly<Record<SecretKind, OftenCounted>>>>;
  /** When messages came that are not handled yet. */
  readonly #messages = new Map<number, number>();
  /** The message that is being handled. */
  #message: number | undefined;
  /** By workload: its newest update, when a message brought it about. */
  readonly #rotations = new Map<number, Rotation>();

  constructor(observed: Observed) {
    this.#observed = observed;
    for (const result of ['ok', 'discarded', 'unavailable', 'permission_denied']) this.#svidFetch.cell(result);
    for (const result of ['ok', 'invalid', 'unavailable', 'permission_denied']) this.#jwtFetch.cell(result);
    for (const result of ['accepted', 'denied']) this.#attestation.cell(result);
    for (const reason of DENIALS) this.#peerDenied.cell(reason);
    for (const result of ['applied', 'rejected']) this.#reload.cell(result);
    for (const kind of SECRET_KINDS)
      for (const method of METHODS) for (const reason of REJECTIONS) this.#nack.cell(kind, method, reason);
    const cells = (kind: SecretKind, method: string): OftenCounted => ({
      push: this.#push.cell(kind, method),
      ack: this.#ack.cell(kind, method),
      duration: this.#pushDuration.cell(kind),
    });
    const ofMethod = (method: string) => ({
      tls_certificate: cells('tls_certificate', method),
      validation_context: cells('validation_context', method),
      generic_secret: cells('generic_secret', method),
    });
    this.#often = { sotw: ofMethod('sotw'), delta: ofMethod('delta') };
  }

  /** What the sidecar itself knows, once there is one. */
  attach(counts: () => SidecarCounts, spanOf: (update: number) => SpanContext | undefined): void {
    this.#counts = counts;
    this.#spanOf = spanOf;
  }

  /** @param at milliseconds since the epoch, fractions included */
  hear(event: Event, at: number): void {
    switch (event.type) {
      case 'secrets_pushed':
        for (const { kind } of event.secrets) this.#often[event.method][kind].push.value += 1;
        if (event.because === 'update') this.#pushed(event);
        break;
      case 'secrets_accepted':
        for (const { kind } of event.secrets) {
          const { ack, duration } = this.#often[event.method][kind];
          ack.value += 1;
          duration.record(event.afterMs / 1000, at, this.#spanOf(event.update));
        }
        break;
      case 'secrets_rejected':
        for (const { kind } of event.secrets) this.#nack.add(kind, event.method, event.kind);
        break;
      default:
        this.#hearSeldom(event, at);
    }
  }

  collect(): readonly Metric[] {
    const { tokens, upstreams, lastReload } = this.#observed;
    const { identities: ids, bundles: domains } = this.#observed.overAll();
    const { connections, streams, subscriptions, held } = this.#counts();
    return [
      { instrument: INSTRUMENTS.svidFetch, points: this.#svidFetch.points },
      { instrument: INSTRUMENTS.svidFetchDuration, points: this.#svidFetchDuration.points },
      { instrument: INSTRUMENTS.svidRotation, points: this.#svidRotation.points },
      { instrument: INSTRUMENTS.svidNotAfter, points: ids.flatMap(({ id, notAfter }) => seconds(ID, id, notAfter)) },
      { instrument: INSTRUMENTS.rotationLastSuccess, points: ids.flatMap(({ id, receivedAt }) => seconds(ID, id, receivedAt)) },
      { instrument: INSTRUMENTS.rotationLastFailure, points: ids.flatMap(({ id, lastFailure }) => seconds(ID, id, lastFailure)) },
      { instrument: INSTRUMENTS.jwtFetch, points: this.#jwtFetch.points },
      {
        instrument: INSTRUMENTS.jwtNotAfter,
        points: [...tokens.values()].map(({ id, audience, notAfter }) => ({
          attributes: { [ID]: id, [AUDIENCE]: audience.join(' ') },
          value: notAfter / 1000,
        })),
      },
      { instrument: INSTRUMENTS.bundleUpdate, points: this.#bundleUpdate.points },
      {
        instrument: INSTRUMENTS.bundleAuthorities,
        points: domains.map(({ trustDomain, authorities }) => ({
          attributes: { [TRUST_DOMAIN]: trustDomain },
          value: authorities,
        })),
      },
      {
        instrument: INSTRUMENTS.bundleNotAfter,
        points: domains.flatMap(({ trustDomain, notAfter }) => seconds(TRUST_DOMAIN, trustDomain, notAfter)),
      },
      { instrument: INSTRUMENTS.attestation, points: this.#attestation.points },
      {
        instrument: INSTRUMENTS.connected,
        points: ofEach(upstreams, ({ upstream }) => (upstream.state === 'connected' ? 1 : 0)),
      },
      {
        instrument: INSTRUMENTS.lastMessage,
        points: ofEach(upstreams, ({ lastMessage }) => lastMessage && lastMessage / 1000),
      },
      { instrument: INSTRUMENTS.conflicts, points: [plain(upstreams.conflicts.length)] },
      { instrument: INSTRUMENTS.push, points: this.#push.points },
      { instrument: INSTRUMENTS.ack, points: this.#ack.points },
      { instrument: INSTRUMENTS.nack, points: this.#nack.points },
      { instrument: INSTRUMENTS.pushDuration, points: this.#pushDuration.points },
      { instrument: INSTRUMENTS.rotationDuration, points: this.#rotationDuration.points },
      { instrument: INSTRUMENTS.connections, points: [plain(connections)] },
      { instrument: INSTRUMENTS.streams, points: [plain(streams)] },
      { instrument: INSTRUMENTS.subscriptions, points: [plain(subscriptions)] },
      { instrument: INSTRUMENTS.held, points: [plain(held)] },
      { instrument: INSTRUMENTS.workloads, points: [plain(this.#observed.workloads.size)] },
      { instrument: INSTRUMENTS.peerDenied, points: this.#peerDenied.points },
      { instrument: INSTRUMENTS.reload, points: this.#reload.points },
      { instrument: INSTRUMENTS.configurationValid, points: [plain(lastReload?.problem === undefined ? 1 : 0)] },
    ];
  }

  #hearSeldom(event: Event, at: number): void {
    switch (event.type) {
      case 'workload_api_connected':
        this.#attestation.add('accepted');
        this.#svidFetchDuration.cell().record(event.afterMs / 1000, at, undefined);
        break;
      case 'workload_api_lost':
        this.#svidFetch.add(event.code === 'OK' ? 'ended' : event.code.toLowerCase());
        if (event.code === 'PERMISSION_DENIED') this.#attestation.add('denied');
        break;
      case 'message_received':
        this.#messages.set(event.message, at);
        break;
      case 'message_handled':
        this.#messages.delete(event.message);
        this.#message = undefined;
        break;
      case 'bundles_received':
        this.#message = event.message;
        break;
      case 'context_received':
        this.#message = event.message;
        this.#svidFetch.add('ok');
        break;
      case 'context_discarded':
        this.#svidFetch.add('discarded');
        break;
      case 'token_received':
      case 'token_rotated':
        this.#message = event.message;
        this.#jwtFetch.add('ok');
        break;
      case 'token_failed':
        this.#jwtFetch.add(event.code.toLowerCase());
        break;
      case 'svid_received':
        this.#svidRotation.cell(event.id);
        break;
      case 'svid_rotated':
        this.#svidRotation.add(event.id);
        break;
      case 'bundle_updated':
        this.#bundleUpdate.add(event.trustDomain);
        break;
      case 'secrets_updated':
        this.#begun(event);
        break;
      case 'update_settled':
        this.#settled(event, at);
        break;
      case 'connection_refused':
        this.#peerDenied.add('connections');
        break;
      case 'access_denied':
        this.#peerDenied.add('access');
        break;
      case 'workload_refused':
        this.#peerDenied.add(event.reason);
        break;
      case 'workload_ended':
        this.#rotations.delete(event.workload.number);
        break;
      case 'request_malformed':
        this.#peerDenied.add('malformed');
        break;
      case 'stream_denied':
        this.#peerDenied.add(event.reason);
        break;
      case 'configuration_reloaded':
        this.#reload.add('applied');
        break;
      case 'configuration_rejected':
        this.#reload.add('rejected');
        break;
    }
  }

  #begun({ update, workload }: Event & { readonly type: 'secrets_updated' }): void {
    const at = this.#message === undefined ? undefined : this.#messages.get(this.#message);
    if (at === undefined) this.#rotations.delete(workload?.number ?? ITSELF);
    else this.#rotations.set(workload?.number ?? ITSELF, { update, at, pushed: false });
  }

  #pushed({ update, workload }: Event & { readonly type: 'secrets_pushed' }): void {
    const rotation = this.#rotations.get(workload?.number ?? ITSELF);
    if (rotation?.update === update) rotation.pushed = true;
  }

  #settled({ update, workload }: Event & { readonly type: 'update_settled' }, at: number): void {
    const rotation = this.#rotations.get(workload?.number ?? ITSELF);
    if (rotation?.update !== update) return;
    this.#rotations.delete(workload?.number ?? ITSELF);
    if (rotation.pushed) this.#rotationDuration.cell().record((at - rotation.at) / 1000, at, this.#spanOf(update));
  }
}

function counterOf({ attributes }: Instrument): Counter {
  return new Counter(attributes);
}

function histogramOf({ attributes }: Instrument): Histogram {
  return new Histogram(attributes);
}

/** Of one Workload API without an attribute, as everybody knows it; of several with their addresses. */
function ofEach({ all }: Upstreams, valueIn: (one: ObservedUpstream) => number | undefined): readonly NumberPoint[] {
  return all.flatMap((one) => {
    const value = valueIn(one);
    if (value === undefined) return [];
    return [all.length === 1 ? plain(value) : { attributes: { [WORKLOAD_API]: one.address ?? '' }, value }];
  });
}

function plain(value: number): NumberPoint {
  return { attributes: {}, value };
}

function seconds(key: string, name: string, milliseconds: number | undefined): readonly NumberPoint[] {
  return milliseconds === undefined ? [] : [{ attributes: { [key]: name }, value: milliseconds / 1000 }];
}
