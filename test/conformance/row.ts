/** What a rule of the suite is, and what it may use. */
import type { DevWorkloadApiOptions } from '../../src/dev/dev-workload-api.ts';
import type { Event } from '../../src/events.ts';
import type { SdsClient } from '../support/sds/sds-client.ts';
import type { Running } from '../support/sidecar/sidecar.ts';

/** An SDS server that has two secrets at least. */
export interface Target {
  readonly socket: string;
  /** The name of a tls_certificate. */
  readonly cert: string;
  /** The name of a validation_context. */
  readonly bundle: string;
  readonly client: SdsClient;
  /** Another connection. */
  connect(): SdsClient;
  /** Waits until the server has seen all that was sent, then fails when a stream has ended or got something. */
  silent(...streams: readonly Quiet[]): Promise<void>;
}

/** A sidecar in this process, with a Workload API that does what it is told. */
export interface Source extends Target {
  readonly running: Running;
  readonly workloadApi: Running['workloadApi'];
  /** Makes a change, and waits until `type` has happened `times` more, by default until the sidecar has the change. */
  after(change: () => unknown, type?: Event['type'], times?: number): Promise<void>;
  rotate(): Promise<void>;
}

export interface Quiet {
  readonly waiting: number;
  readonly open: boolean;
}

interface Rule {
  readonly rule: string;
  /** Of the numbered facts on Envoy that the rule follows from. */
  readonly fact: number;
}

export type Row =
  | (Rule & {
      /** Holds for every SDS server. */
      readonly needs: 'nothing';
      run(context: Target): Promise<void>;
    })
  | (Rule & {
      /** Control over what is served, or over the configuration. */
      readonly needs: 'source';
      /** Default: the identities /web and /db, rotated when told. */
      readonly workload?: Partial<DevWorkloadApiOptions>;
      /** YAML. */
      readonly config?: string;
      run(context: Source): Promise<void>;
    });
