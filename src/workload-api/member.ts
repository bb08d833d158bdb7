/** One of the Workload APIs that are joined. */
import type { X509Context } from '../spiffe/x509-context.ts';
import type { JwtBundleWatch } from './jwt-bundle-watch.ts';
import type { X509Watch } from './watch.ts';
import type { WorkloadApi } from './workload-api.ts';

/** It, and what it said. */
export interface Member {
  readonly api: WorkloadApi;
  readonly watch: X509Watch;
  readonly jwtBundles: JwtBundleWatch;
  context: X509Context;
  progress: Progress;
  /** Whether it has said anything of the keys of JWT-SVIDs. */
  knowsJwtBundles: boolean;
  isAway: boolean;
  /** Resolves when it cannot be reached. */
  away: PromiseWithResolvers<void>;
}

/** `asked`: neither answered nor failed. `failed`: tried again. `answered`: with identities or with a denial. */
export type Progress = 'asked' | 'failed' | 'answered';

export function stopMember({ watch, jwtBundles }: Member): void {
  watch.stop();
  jwtBundles.stop();
}

/** Resolves when it has said which keys of JWT-SVIDs there are, or is away, which must not keep the keys of the others waiting. */
export async function jwtBundlesKnown(member: Member): Promise<void> {
  const known = member.jwtBundles.known();
  if (member.knowsJwtBundles || member.isAway) return;
  const heard = known.then(() => {
    member.knowsJwtBundles = true;
  });
  await Promise.race([heard, member.away.promise]);
}
