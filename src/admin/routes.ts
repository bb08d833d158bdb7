/** What the admin API answers, by path. It only reads. */
import { printable } from '../printable.ts';
import type { Observed } from '../state/observed.ts';
import { allPassed, type Check, livez, type Probe, readyz, startupz } from '../state/readiness.ts';
import { JWKS_PATH } from './jwks.ts';
import { pageFile, wantsPage } from './page-files.ts';
import { type Answer, type Asked, text } from './read-only-server.ts';
import type { SubscriberFilter } from './subscribers.ts';

/** A page for Prometheus in the form that suits the Accept header; undefined when it is turned off. */
export type MetricsPage = (accept: string) => { readonly contentType: string; readonly text: string } | undefined;

export interface RouteOptions {
  readonly observed: Observed;
  /** Milliseconds since the epoch. */
  readonly now: () => number;
  readonly metrics: MetricsPage;
  /** As JSON. */
  readonly status: (filter: SubscriberFilter) => Promise<string>;
  /** Stays open, and tells when the status is another one. */
  readonly changes: () => Answer;
}

export interface ProbeRouteOptions extends Pick<RouteOptions, 'observed' | 'now'> {
  /** Left out: there is no such path. */
  readonly metrics?: MetricsPage;
}

export type Route = (asked: Asked) => Answer | Promise<Answer>;

const WHERE_REASONS_ARE = 'the log, spiffe-sds status --ready and the admin API tell why';

/** What the paths are for, to people. */
const PURPOSES = {
  '/': 'the status page, for browsers',
  '/livez': 'whether the process lives',
  '/readyz': 'whether Envoys get what they need; ?verbose: with each check and its reason',
  '/startupz': 'whether it has served an identity and a bundle yet',
  '/v1/status': 'all that it knows, as JSON; ?node=ID and ?name=SECRET choose subscribers',
  '/v1/changes': 'tells when that has changed, as server-sent events',
  [JWKS_PATH]: "the keys of a trust domain's JWT-SVIDs, as a JWK Set: add the trust domain",
  '/metrics': 'for Prometheus',
} as const;

/** By path. */
export function routesOf({ observed, now, metrics, status, changes }: RouteOptions): ReadonlyMap<string, Route> {
  const probe =
    (name: string, checksOf: Probe): Route =>
    ({ query }) =>
      probeAnswer(name, checksOf(observed, now()), query.has('verbose'));
  const routes: Map<string, Route> = new Map<string, Route>([
    ['/', ({ accept }) => (wantsPage(accept) ? pageFile('page.html') : text(200, pathsOf(routes)))],
    ['/livez', probe('livez', livez)],
    ['/readyz', probe('readyz', readyz)],
    ['/startupz', probe('startupz', startupz)],
    [
      '/v1/status',
      async ({ query }) => {
        const filter = { node: query.get('node') ?? undefined, name: query.get('name') ?? undefined };
        return { status: 200, contentType: 'application/json', body: await status(filter) };
      },
    ],
    ['/v1/changes', changes],
    [JWKS_PATH, () => text(404, `add a trust domain: ${JWKS_PATH}example.org\n`)],
    ['/metrics', metricsRoute(metrics)],
  ]);
  return routes;
}

/** By path, for whoever reaches it: a probe is passed or failed, without a reason, which would name identities. */
export function probeRoutesOf({ observed, now, metrics }: ProbeRouteOptions): ReadonlyMap<string, Route> {
  const probe =
    (name: string, checksOf: Probe): Route =>
    () =>
      allPassed(checksOf(observed, now())) ? text(200, 'ok\n') : text(503, `${name} check failed: ${WHERE_REASONS_ARE}\n`);
  return new Map<string, Route>([
    ['/livez', probe('livez', livez)],
    ['/readyz', probe('readyz', readyz)],
    ['/startupz', probe('startupz', startupz)],
    ...(metrics === undefined ? [] : ([['/metrics', metricsRoute(metrics)]] as const)),
  ]);
}

export function notFound(path: string, routes: ReadonlyMap<string, Route>): Answer {
  return text(404, `there is no ${printable(JSON.stringify(path.slice(0, 200)))} here, only\n\n${pathsOf(routes)}`);
}

function pathsOf(routes: ReadonlyMap<string, Route>): string {
  const shown = Object.entries(PURPOSES).filter(([path]) => routes.has(path));
  return shown.map(([path, purpose]) => `GET ${path.padEnd(18)} ${purpose}\n`).join('');
}

function metricsRoute(metrics: MetricsPage): Route {
  return ({ accept }) => {
    const page = metrics(accept);
    if (page === undefined) return text(404, 'there are no metrics here: they are turned off (telemetry.prometheus)\n');
    return { status: 200, contentType: page.contentType, body: page.text };
  };
}

/** As Kubernetes' own components answer: `ok`, or the checks that failed; all of them when asked to be verbose. */
function probeAnswer(name: string, checks: readonly Check[], verbose: boolean): Answer {
  const passed = allPassed(checks);
  if (passed && !verbose) return text(200, 'ok\n');
  const shown = verbose ? checks : checks.filter(({ ok }) => !ok);
  const lines = shown.map((check) => `${checkLine(check)}\n`).join('');
  return text(passed ? 200 : 503, `${lines}${name} check ${passed ? 'passed' : 'failed'}\n`);
}

function checkLine({ name, ok, reason }: Check): string {
  return ok ? `[+]${name} ok: ${printable(reason)}` : `[-]${name} failed: ${printable(reason)}`;
}

/** What JSON allows in a string and a terminal or a reader of lines would heed is escaped. */
export function safeJson(value: unknown): string {
  const escaped = (characters: string) =>
    characters.replace(/./gs, (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`);
  return `${JSON.stringify(value, undefined, 2).replace(/(?:[^\P{Cc}\n]|[\p{Cf}\p{Zl}\p{Zp}])+/gu, escaped)}\n`;
}
