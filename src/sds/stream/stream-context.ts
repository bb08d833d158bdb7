/** What a stream gets from the service: settings, secrets, what is remembered of its Envoy, and whom it calls back. */
import type { AccessRules } from '../../access/access-rules.ts';
import type { Clock } from '../../clock.ts';
import type { EventListener } from '../../events.ts';
import type { ValidationForm } from '../../secrets/secret.ts';
import type { SecretSet } from '../../secrets/secret-set.ts';
import type { Subscriber } from '../delivery/delivery.ts';
import type { Backlog } from '../protocol/backlog.ts';
import type { Rejections } from '../protocol/rejections.ts';
import type { RefusedDomains } from './refused-domains.ts';
import type { StreamRecordOptions, Totals } from './stream-record.ts';
import type { StreamStatus } from './stream-status.ts';
import type { Views } from './views.ts';

/** What the operator may change while streams are open. */
export interface StreamSettings {
  /** Whether a first request without names subscribes to everything. */
  readonly answerEmptyRequest: boolean;
  /** The form of validation contexts, unless the Envoy asks for another. */
  readonly validation: ValidationForm;
  /** Whether Envoy asks for a name while a connection waits. */
  readonly onDemand: (name: string) => boolean;
  /** How many names one stream may subscribe to. */
  readonly maxNames: number;
  /** Who may have which secret; absent: whoever can connect may have all. */
  readonly access?: AccessRules | undefined;
}

/** What a stream is given by the service, and what it reports back. */
export interface StreamContext {
  readonly settings: () => StreamSettings;
  readonly events: EventListener;
  readonly clock: Clock;
  readonly rejections: Rejections;
  readonly refused: RefusedDomains;
  readonly backlog: Backlog;
  /** What the names of all streams take. */
  readonly names: Backlog;
  /** A trust domain is left out for this Envoy from now on: all its streams get other validation contexts. */
  readonly onRefused: () => void;
  /** The newest secrets. */
  readonly secrets: () => SecretSet;
  readonly views: Views;
  /** The number of the newest update of the secrets. */
  readonly update: () => number;
  /** An answer came from this subscriber. */
  readonly onAnswer: (subscriber: Subscriber) => void;
  /** This subscriber has been sent all that is due, and has answered it. */
  readonly onSettled: (subscriber: Subscriber) => void;
  /** This stream is over. */
  readonly onClosed: (stream: Subscriber & { readonly status: StreamStatus }) => void;
  readonly totals: Totals;
  readonly responseInfos: StreamRecordOptions['responseInfos'];
}

/** What is known of a stream before its first request. */
export interface StreamIdentity {
  /** Unique in this process. */
  readonly stream: number;
  /** The `traceparent` header of the call, as it came. */
  readonly traceparent: string | undefined;
}

/** What to do about requests for other types than Secret: an aggregated stream carries all types. */
export type OtherTypes = 'refuse' | 'ignore';
