/** Asks the Workload API once, as a workload. What it gives is looked at and forgotten; no key leaves this file. */
import { status } from '@grpc/grpc-js';
import { vetCrls } from '../../envoy/crl-choice.ts';
import { messageOf } from '../../error.ts';
import type { X509SVIDResponse } from '../../gen/messages.ts';
import { CertificateReader } from '../../spiffe/certificate-reader.ts';

import { readContext } from '../../workload-api/context.ts';
import type { Fetch } from '../../workload-api/stream-call.ts';
import type { WorkloadAnswer } from '../facts.ts';

/**
 * @param timeoutMs how long the first message is waited for
 * @param now milliseconds since the epoch
 */
export function probeWorkloadApi(fetch: Fetch<X509SVIDResponse>, timeoutMs: number, now: number): Promise<WorkloadAnswer> {
  return new Promise((resolve) => {
    const done = (answer: WorkloadAnswer) => {
      clearTimeout(timer);
      cancel();
      resolve(answer);
    };
    const timer = setTimeout(
      () => done({ kind: 'failed', code: 'DEADLINE_EXCEEDED', details: `no answer within ${timeoutMs / 1000} s` }),
      timeoutMs,
    );
    const cancel = fetch({
      message: (message) => done(readAnswer(message, now)),
      end: (code, details) =>
        done(
          code === status.PERMISSION_DENIED
            ? { kind: 'denied', details }
            : { kind: 'failed', code: status[code] ?? 'UNKNOWN', details },
        ),
    });
  });
}

function readAnswer(message: X509SVIDResponse, now: number): WorkloadAnswer {
  try {
    const { context } = readContext(message, new CertificateReader());
    if (context.svids.length === 0) return { kind: 'denied', details: 'its answer has no X509-SVID' };
    const identities = context.svids.map(({ id, chain: [{ serial, notBefore, notAfter }] }) => ({
      id,
      serial,
      notBefore,
      notAfter,
    }));
    const expiredCrls = [...context.bundles.values()].flatMap(({ trustDomain, authorities }) => {
      const { problem } = vetCrls(authorities, context.crls, now);
      return problem === undefined ? [] : [`${trustDomain} cannot be used: ${problem}`];
    });
    return { kind: 'context', identities, trustDomains: [...context.bundles.keys()], expiredCrls };
  } catch (error) {
    return { kind: 'unusable', reason: messageOf(error) };
  }
}
