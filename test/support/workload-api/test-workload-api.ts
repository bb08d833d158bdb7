/** The development Workload API, and all that a real one may do to a workload: when a test says so. */
import { X509Certificate } from 'node:crypto';
import { DevWorkloadApi, type DevWorkloadApiOptions } from '../../../src/dev/dev-workload-api.ts';
import { issueJwtSvid } from '../../../src/dev/jwt.ts';
import {
  authorityActivated,
  authorityPrepared,
  type DevIdentity,
  rotated,
  withIdentities,
  workloadId,
} from '../../../src/dev/workload-changes.ts';
import type { WorkloadState } from '../../../src/dev/workload-state.ts';
import { SpiffeSdsError } from '../../../src/error.ts';
import type { X509SVIDResponse } from '../../../src/gen/messages.ts';
import { Status } from '../../../src/server/grpc/status.ts';
import { parseTrustDomain } from '../../../src/spiffe/spiffe-id.ts';

export interface JwtOptions {
  /** Whose key signs. Default: our own trust domain's. */
  readonly trustDomain?: string;
  /** The trust domain that the subject says. Default: that of the key. */
  readonly as?: string;
  /** Negative: it has expired already. Default 5 min. */
  readonly ttlMs?: number;
}

const JWT_TTL_MS = 300_000;

export class TestWorkloadApi extends DevWorkloadApi {
  static override async start(options: DevWorkloadApiOptions): Promise<TestWorkloadApi> {
    return new TestWorkloadApi(await DevWorkloadApi.open(options));
  }

  /** Open FetchX509SVID streams. */
  get connections(): number {
    return this.service.connections;
  }

  /** Resolves when that many FetchX509SVID streams have been opened since start, refused ones among them. */
  streamOpened(count = 1): Promise<void> {
    return this.service.streamOpened(count);
  }

  /** The serial that is now served for each SPIFFE ID, as node's `X509Certificate.serialNumber` writes it. */
  serials(): ReadonlyMap<string, string> {
    return new Map(this.state.identities.map(({ spiffeId, svid }) => [spiffeId, svid.serial]));
  }

  /** The private key that is now served with a SPIFFE ID: PKCS#8, ASN.1 DER. */
  privateKey(spiffeId: string): Uint8Array {
    const identity = this.state.identities.find((served) => served.spiffeId === spiffeId);
    if (identity === undefined) throw new SpiffeSdsError('usage', `there is no private key of ${spiffeId}: it is not served`);
    return identity.svid.privateKey;
  }

  /** When the SVIDs that are served now end, in milliseconds since the epoch. */
  get svidsEnd(): number {
    const ends = this.state.identities.map(({ svid }) => new X509Certificate(svid.chain[0] as Uint8Array).validToDate.getTime());
    return Math.min(...ends);
  }

  /** A new key and certificate for every identity. */
  rotate(): Promise<void> {
    return this.change((state) => rotated(this.issuance, state));
  }

  /** An identity that stays keeps its SVID; none at all withdraws everything. */
  setIdentities(identities: readonly DevIdentity[]): Promise<void> {
    return this.change((state) => withIdentities(this.issuance, state, identities));
  }

  /** A new authority joins the bundle; SVIDs still come from the old one. */
  prepareAuthority(): Promise<void> {
    return this.change((state) => authorityPrepared(this.issuance, state));
  }

  /** The newest authority signs every SVID anew. */
  activateAuthority(): Promise<void> {
    return this.change((state) => authorityActivated(this.issuance, state));
  }

  /** The authorities before the active one leave the bundle. */
  retireAuthority(): Promise<void> {
    return this.change((state) => ({ ...state, authorities: state.authorities.slice(state.authorities.indexOf(state.active)) }));
  }

  /** Prepares and activates in one message. */
  rollAuthority(): Promise<void> {
    return this.change(async (state) => authorityActivated(this.issuance, await authorityPrepared(this.issuance, state)));
  }

  federate(trustDomain: string): Promise<void> {
    const name = parseTrustDomain(trustDomain);
    return this.change(async (state) => {
      const authority = await this.foreignAuthority(name);
      return { ...state, federated: new Map(state.federated).set(name, authority) };
    });
  }

  unfederate(trustDomain: string): Promise<void> {
    return this.change((state) => ({
      ...state,
      federated: new Map([...state.federated].filter(([name]) => name !== trustDomain)),
    }));
  }

  /** Puts the serial that is now served on the CRL. */
  revoke(spiffeId: string): Promise<void> {
    return this.change((state) => {
      const identity = state.identities.find((served) => served.spiffeId === spiffeId);
      if (identity === undefined) throw new SpiffeSdsError('usage', `cannot revoke the SVID of ${spiffeId}: it is not served`);
      return { ...state, revoked: [...new Set([...state.revoked, identity.svid])] };
    });
  }

  /** A JWT-SVID for a peer, of our own trust domain or of another. */
  async issueJwt(path: string, audience: readonly string[], options: JwtOptions = {}): Promise<string> {
    const { trustDomain: name = this.trustDomain, as = name, ttlMs = JWT_TTL_MS } = options;
    const trustDomain = parseTrustDomain(name);
    const authority = trustDomain === this.state.trustDomain ? this.state.active : await this.foreignAuthority(trustDomain);
    const issuedAt = this.issuance.clock.now();
    const claims = { spiffeId: workloadId(parseTrustDomain(as), path), audience, issuedAt, expiresAt: issuedAt + ttlMs };
    return issueJwtSvid(authority.jwt, claims);
  }

  /** Serves to all, open streams and new ones, what a development Workload API would never serve. */
  serve(change: (state: WorkloadState) => WorkloadState | Promise<WorkloadState>): Promise<void> {
    return this.change(change);
  }

  /** Streams get no message from now on, until release. */
  hold(): void {
    this.service.hold();
  }

  release(): void {
    this.service.release();
  }

  /** Ends all streams with PERMISSION_DENIED, and refuses every call, until allow. */
  deny(): void {
    this.service.deny();
  }

  allow(): void {
    this.service.allow();
  }

  /** @param code gRPC status, default UNAVAILABLE */
  endStreams(code: number = Status.UNAVAILABLE): void {
    this.service.endStreams(code, 'the development Workload API ended the stream');
  }

  /** Sends these bytes as the message on open FetchX509SVID streams. */
  sendRaw(bytes: Uint8Array): void {
    this.service.sendRaw(bytes);
  }

  /** Sends a doctored copy of the current response on open FetchX509SVID streams. */
  send(change: (response: X509SVIDResponse) => X509SVIDResponse): void {
    this.service.send(change);
  }
}
