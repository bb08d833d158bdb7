/** The status page: shows what /v1/status says, and goes on doing so. */
import type { Status, WorkloadStatus } from '../status.ts';
import { element, part, type State, stateMark, visible } from './element.ts';
import { Live } from './live.ts';
import { deliveryPlot } from './plot.ts';
import { problemsOf } from './problems.ts';
import { Sections } from './sections.ts';
import { relative, setSidecarTime, tick, withTimes } from './time.ts';
import { wayOf } from './way.ts';

const TICK_MS = 1_000;

const sections = new Sections();
part('sections').append(...sections.elements);
const [contact, filter, filtered] = [part('contact'), part('filter') as HTMLInputElement, part('filtered')];
/** When the last status came, by this machine's clock; undefined before the first. */
let seenAt: Date | undefined;
/** What stands in the parts that are made anew, so that they are left alone while it is the same. */
const shown = new Map<string, string>();

function show(status: Status): void {
  const {
    version,
    ready,
    started_at,
    sds,
    configuration,
    checks,
    upstream,
    identities,
    bundles,
    names,
    held,
    subscribers,
    counts,
    workloads,
  } = status;
  seenAt = new Date();
  setSidecarTime(Date.parse(started_at) + status.uptime * 1000);
  say('ok', 'live');
  anew('ready', ready, () => {
    part('ready').dataset['state'] = ready ? 'ok' : 'bad';
    return [ready ? '✓ ready' : '✕ not ready'];
  });
  document.title = `${ready ? 'ready' : 'NOT READY'} · spiffe-sds`;
  anew('about', [version, sds, configuration.digest], () => [
    `${version}, SDS on `,
    element('code', {}, visible(sds.address)),
    ', started ',
    relative(started_at),
    `, configuration ${configuration.file === undefined ? 'without a file' : visible(configuration.file)} ${configuration.digest.slice(0, 'sha256:'.length + 12)}`,
  ]);
  const problems = problemsOf(status);
  anew('problems', problems, () =>
    problems.length === 0
      ? [element('li', { 'data-state': 'ok' }, stateMark('ok', 'Nothing: Envoys get what they ask for.'))]
      : problems.map(({ state, text }) => problem(state, text)),
  );
  const lasting = identities.map(({ expires_in: _, ...identity }) => identity);
  const lastingOf = ({ identities: those, ...workload }: WorkloadStatus) => [
    workload,
    those.map(({ expires_in }) => expires_in <= 0),
  ];
  anew(
    'way',
    [upstream, lasting, bundles.length, names.length, held, subscribers, counts, checks.length, workloads?.map(lastingOf)],
    () => wayOf(status),
  );
  anew('delivery', [status.history.delivery, Math.floor(Date.now() / 60_000)], () => deliveryPlot(status));
  sections.show(status);
  applyFilter();
  tick(document);
}

function problem(state: State, text: string): HTMLElement {
  const word = state === 'bad' ? 'broken' : 'look at this';
  return element('li', { 'data-state': state }, stateMark(state, word), ...withTimes(visible(text)));
}

/** Fills a part when it would show something else. */
function anew(id: string, shows: unknown, make: () => readonly (Node | string)[]): void {
  const text = JSON.stringify(shows);
  if (shown.get(id) === text) return;
  shown.set(id, text);
  const place = part(id);
  const focused = place.contains(document.activeElement) ? document.activeElement?.getAttribute('href') : undefined;
  place.replaceChildren(...make());
  if (focused != null) place.querySelector<HTMLElement>(`[href="${focused}"]`)?.focus();
}

/** A screen reader reads it out when it is another one. */
function say(state: 'ok' | 'bad', text: string): void {
  contact.dataset['state'] = state;
  document.body.classList.toggle('lost', state === 'bad');
  if (contact.textContent !== text) contact.textContent = text;
}

function lost(): void {
  document.title = 'LOST · spiffe-sds';
  anew('ready', 'lost', () => {
    part('ready').dataset['state'] = 'idle';
    return ['– not known'];
  });
  anew('problems', 'lost', () => [
    problem('bad', 'Whether the sidecar runs is not known: it does not answer. Envoys keep what they have.'),
  ]);
  say(
    'bad',
    seenAt === undefined
      ? 'The sidecar does not answer. It is asked again.'
      : `Lost contact with the sidecar: what stands here is of ${seenAt.toLocaleTimeString()}. It is asked again.`,
  );
}

function applyFilter(): void {
  const text = filter.value.trim();
  const { shown: found, of } = sections.filter(text);
  const said = text === '' ? '' : `${found} of ${of} rows`;
  if (filtered.textContent !== said) filtered.textContent = said;
}

window.addEventListener('hashchange', () => sections.open(location.hash.slice(1)));
filter.addEventListener('input', applyFilter);
filter.form?.addEventListener('submit', (event) => event.preventDefault());
setInterval(() => {
  if (contact.dataset['state'] !== 'bad') tick(document);
}, TICK_MS);
new Live({ onStatus: show, onLost: lost });
