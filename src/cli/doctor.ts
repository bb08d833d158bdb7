/** `spiffe-sds doctor`: walks the way from the Workload API to Envoy, and says what is wrong and how to mend it. */
import { readFileSync } from 'node:fs';
import { parse } from 'yaml';
import { findingsOf } from '../doctor/diagnosis.ts';
import { type EnvoyConfiguration, readEnvoyConfiguration } from '../doctor/envoy-configuration.ts';
import type { ProcessFacts, SdsAnswer, SidecarFacts } from '../doctor/facts.ts';
import { gather, type Probes } from '../doctor/gather.ts';
import { probeEnvoy } from '../doctor/probes/envoy-probe.ts';
import { probeEnvoyUser } from '../doctor/probes/envoy-user.ts';
import { servedSecret } from '../doctor/probes/served-secrets.ts';
import { probeSocket } from '../doctor/probes/socket-probe.ts';
import { probeWorkloadApi } from '../doctor/probes/workload-probe.ts';
import { reportOf, reportText } from '../doctor/report.ts';
import { messageOf, SpiffeSdsError } from '../error.ts';
import { escaped, printable } from '../printable.ts';
import { workloadApiAt } from '../workload-api/client.ts';
import { allAdvice } from './check.ts';
import { checkHealth } from './clients/health-client.ts';
import { streamSecrets } from './clients/sds-client.ts';
import { type ConfigurationFlags, configurationOf } from './configuration.ts';
import { flagValue } from './flag.ts';
import { askStatus } from './status.ts';

export interface DoctorFlags extends ConfigurationFlags {
  /** The path of an Envoy bootstrap. */
  readonly bootstrap?: string;
  readonly envoyAdmin?: string;
  readonly uid?: string;
  readonly gid?: string;
  readonly output: 'text' | 'json';
}

const TIMEOUT_MS = 3_000;
const SDS = 'envoy.service.secret.v3.SecretDiscoveryService';
const MAX_ID = 0xfffffffe;

/** Prints what it found. The exit code is 1 when something is broken. */
export async function doctor({ bootstrap, envoyAdmin, uid, gid, output, ...flags }: DoctorFlags): Promise<void> {
  const { configuration } = await configurationOf(flags);
  const peer = {
    ...(uid !== undefined && { uid: flagValue('--uid', uid, parseId) }),
    ...(gid !== undefined && { gid: flagValue('--gid', gid, parseId) }),
  };
  const judgesFiles = flags.config !== undefined || bootstrap !== undefined;
  const url = envoyAdmin === undefined ? undefined : flagValue('--envoy-admin', envoyAdmin, parseUrl);
  const facts = await gather(
    {
      configuration,
      advice: await allAdvice(configuration),
      self: processFacts(process.pid, process.getuid?.() ?? 0, process.getgid?.() ?? 0),
      expectsSidecar: !judgesFiles || flags.listen !== undefined || url !== undefined,
      ...(Object.keys(peer).length > 0 && { peer }),
      ...(bootstrap !== undefined && { bootstrap: readBootstrap(bootstrap) }),
      ...(url !== undefined && { envoyAdmin: url }),
    },
    probes(flags),
  );
  const report = reportOf(findingsOf(facts));
  if (!report.ok) process.exitCode = 1;
  process.stdout.write(output === 'json' ? `${escaped(JSON.stringify(report, undefined, 2))}\n` : text(report));
}

function text(report: ReturnType<typeof reportOf>): string {
  const shown = JSON.parse(JSON.stringify(report), (_, value) => (typeof value === 'string' ? printable(value) : value));
  return reportText(shown, process.stdout.isTTY === true && (process.env['NO_COLOR'] ?? '') === '');
}

function probes(flags: ConfigurationFlags): Probes {
  return {
    now: () => Date.now(),
    socket: probeSocket,
    workloadApi: (endpoint) => probeWorkloadApi(workloadApiAt(endpoint).fetchX509Svid, TIMEOUT_MS, Date.now()),
    answers: (path) =>
      checkHealth(path, SDS, TIMEOUT_MS).then(
        () => true,
        (error) => !/within|no answer|DEADLINE/i.test(messageOf(error)),
      ),
    sds: subscribe,
    sidecar: () => sidecarFacts(flags),
    envoy: (url) => probeEnvoy(url, TIMEOUT_MS),
    envoyUser: probeEnvoyUser,
  };
}

async function subscribe(path: string, names: readonly string[]): Promise<SdsAnswer> {
  const secrets = new Map<string, ReturnType<typeof servedSecret>>();
  try {
    for await (const received of streamSecrets({ kind: 'unix', path }, names, AbortSignal.timeout(TIMEOUT_MS))) {
      for (const { secret } of received) secrets.set(secret.name, servedSecret(secret));
      if (names.length === 0 || names.every((name) => secrets.has(name))) break;
    }
  } catch (error) {
    return { kind: 'failed', reason: messageOf(error) };
  }
  return secrets.size === 0 ? { kind: 'empty' } : { kind: 'secrets', secrets: [...secrets.values()] };
}

async function sidecarFacts(flags: ConfigurationFlags): Promise<SidecarFacts> {
  try {
    const asked = await askStatus(flags, TIMEOUT_MS);
    if (asked === 'off') return { kind: 'off' };
    const { pid, uid, gid } = asked.status.process;
    return { kind: 'status', status: asked.status, process: processFacts(pid, uid, gid) };
  } catch (error) {
    const reason = messageOf(error);
    return { kind: /another spiffe-sds|and no status/.test(reason) ? 'other' : 'failed', reason };
  }
}

function processFacts(pid: number, uid: number, gid: number): ProcessFacts {
  try {
    const cgroup = readFileSync(`/proc/${pid}/cgroup`, 'utf8').trim().split('\n').at(-1)?.split(':').slice(2).join(':');
    const groups = /^Groups:\s*(.*)$/m
      .exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]
      ?.trim()
      .split(/\s+/)
      .map(Number);
    return { pid, uid, gid, ...(groups && { groups }), ...(cgroup !== undefined && { cgroup }) };
  } catch {
    return { pid, uid, gid };
  }
}

function readBootstrap(path: string): EnvoyConfiguration {
  try {
    return readEnvoyConfiguration(parse(readFileSync(path, 'utf8'), { maxAliasCount: -1, merge: true }));
  } catch (error) {
    throw new SpiffeSdsError('usage', `--bootstrap: cannot read ${path}: ${messageOf(error)}`, { cause: error });
  }
}

function parseId(text: string): number {
  if (/^\d{1,10}$/.test(text) && Number(text) <= MAX_ID) return Number(text);
  throw new Error(`${JSON.stringify(text)} is no number of a user or group: write one, such as 101`);
}

function parseUrl(text: string): string {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  if (url?.protocol === 'http:') return url.origin;
  throw new Error(`${JSON.stringify(text)} is no address of an admin interface: write http://127.0.0.1:9901`);
}
