/** What the probes found out. Findings are made from this alone. */
import type { Status } from '../admin/status.ts';
import type { Configuration } from '../config/schema/schema.ts';
import type { Endpoint } from '../endpoint.ts';
import type { EnvoyConfiguration } from './envoy-configuration.ts';
import type { EnvoyFacts } from './envoy-facts.ts';

/** The file at the path of a socket, and what a connection to it came to. */
export type SocketFacts =
  | { readonly state: 'missing'; readonly folder: boolean }
  | { readonly state: 'folder' | 'file' }
  | ({ readonly state: 'nobody_listens' | 'silent' } & Ownership)
  | ({ readonly state: 'answers' } & Ownership & {
        /** The process that listens, when the kernel tells. */
        readonly pid?: number;
      })
  /** Without an owner: a folder above it cannot be entered, the nearest of `folders`. */
  | ({ readonly state: 'forbidden' } & Pick<Ownership, 'folders'> & Partial<Ownership>);

export interface Ownership {
  readonly uid: number;
  readonly gid: number;
  /** The permissions, as chmod takes them. */
  readonly mode: number;
  /** The folders above it, the nearest first. */
  readonly folders: readonly { readonly path: string; readonly uid: number; readonly gid: number; readonly mode: number }[];
}

export interface KnownIdentity {
  readonly id: string;
  readonly serial: string;
  readonly notBefore: number;
  readonly notAfter: number;
}

/** What the Workload API said to this process. */
export type WorkloadAnswer =
  | { readonly kind: 'none' }
  | {
      readonly kind: 'context';
      readonly identities: readonly KnownIdentity[];
      readonly trustDomains: readonly string[];
      readonly expiredCrls: readonly string[];
    }
  | { readonly kind: 'denied'; readonly details: string }
  | { readonly kind: 'unusable'; readonly reason: string }
  | { readonly kind: 'failed'; readonly code: string; readonly details: string };

/** A user; what is absent is not known. */
export interface Peer {
  readonly uid?: number;
  readonly gid?: number;
  readonly groups?: readonly number[];
}

export interface ProcessFacts {
  readonly pid: number;
  readonly uid: number;
  readonly gid: number;
  /** Its other groups. */
  readonly groups?: readonly number[];
  /** The path of its control group. */
  readonly cgroup?: string;
}

/** One secret as an Envoy gets it, without its key. */
export interface ServedSecret {
  readonly name: string;
  readonly kind: 'tls_certificate' | 'validation_context' | 'generic_secret';
  /** Of a certificate: the serial of the leaf. */
  readonly serial?: string;
  /** Of a validation context: its trust domains, and which of them have no self-signed root; absent in the form `trusted_ca`. */
  readonly spiffe?: { readonly trustDomains: readonly string[]; readonly rootless: readonly string[] };
}

export type SdsAnswer =
  | { readonly kind: 'secrets'; readonly secrets: readonly ServedSecret[] }
  | { readonly kind: 'empty' }
  | { readonly kind: 'failed'; readonly reason: string };

export type SidecarFacts =
  | { readonly kind: 'off' }
  | { readonly kind: 'status'; readonly status: Status; readonly process?: ProcessFacts }
  /** It is another program, or another sidecar. */
  | { readonly kind: 'other'; readonly reason: string }
  | { readonly kind: 'failed'; readonly reason: string };

export interface Facts {
  /** Milliseconds since the epoch. */
  readonly now: number;
  readonly configuration: Configuration;
  /** Legal and unwise. */
  readonly advice: readonly string[];
  readonly workloadApi: {
    readonly endpoint?: Endpoint;
    readonly socket?: SocketFacts;
    readonly answer: WorkloadAnswer;
  };
  /** Of this command itself. */
  readonly self: ProcessFacts;
  readonly sds: { readonly path: string; readonly socket: SocketFacts; readonly answer?: SdsAnswer };
  readonly sidecar: SidecarFacts;
  /** Whether a running sidecar is expected: not when only files are to be judged. */
  readonly expectsSidecar: boolean;
  /** The user whose Envoy is meant. */
  readonly peer?: Peer;
  readonly bootstrap?: EnvoyConfiguration;
  readonly envoy?: EnvoyFacts;
}
