/** Times as people read them: how long ago, how long yet. They go on by themselves, by the sidecar's clock. */
import { element } from './element.ts';

const UNITS = [
  ['d', 86_400],
  ['h', 3_600],
  ['m', 60],
  ['s', 1],
] as const;

/** What this machine's clock is ahead of the sidecar's, in milliseconds. */
let ahead = 0;

export function setSidecarTime(now: number): void {
  ahead = Date.now() - now;
}

/** The sidecar's time, in milliseconds since the epoch. */
export function sidecarTime(): number {
  return Date.now() - ahead;
}

/** The two largest units: `2h5m`. */
export function span(ms: number): string {
  let left = Math.max(0, Math.floor(ms / 1000));
  const first = UNITS.findIndex(([, size]) => left >= size);
  if (first === -1) return '0s';
  let text = '';
  for (const [unit, size] of UNITS.slice(first, first + 2)) {
    const count = Math.floor(left / size);
    if (count > 0) text += `${count}${unit}`;
    left -= count * size;
  }
  return text;
}

/** @param at RFC 3339; undefined: never */
export function ago(at: string | undefined): HTMLElement {
  return at === undefined ? element('span', { class: 'quiet' }, 'never') : relative(at);
}

/** `in 5m`, `5m ago` or `now`. */
export function relative(at: string): HTMLElement {
  return element('time', { datetime: at, title: at }, words(at));
}

const TIME = /(at |before )?(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?Z)/g;

/** A sentence whose times are as people read them. */
export function withTimes(text: string): readonly (Node | string)[] {
  let end = 0;
  const parts = [...text.matchAll(TIME)].flatMap(({ index, 0: whole, 1: word, 2: at = '' }) => {
    const before = text.slice(end, index);
    end = index + whole.length;
    return [before, word === 'before ' ? 'yet, but ' : '', relative(at)];
  });
  return [...parts, text.slice(end)];
}

/** Brings every time below `root` up to date. */
export function tick(root: ParentNode): void {
  for (const time of root.querySelectorAll('time')) {
    const now = words(time.dateTime);
    if (time.textContent !== now) time.textContent = now;
  }
  for (const bar of root.querySelectorAll<HTMLElement>('.bar')) fill(bar);
}

/** How much of a time is left, as a bar. What it says stands beside it in words. */
export function timeBar(from: string, to: string): HTMLElement {
  const bar = element('span', { class: 'bar', 'aria-hidden': 'true', 'data-from': from, 'data-to': to }, element('span'));
  fill(bar);
  return bar;
}

function fill(bar: HTMLElement): void {
  const from = Date.parse(bar.dataset['from'] ?? '');
  const to = Date.parse(bar.dataset['to'] ?? '');
  const left = Math.min(1, Math.max(0, (to - sidecarTime()) / Math.max(1, to - from)));
  bar.dataset['state'] = left < 0.25 ? 'warn' : 'ok';
  (bar.firstElementChild as HTMLElement).style.width = `${Math.round(left * 100)}%`;
}

function words(at: string): string {
  const ms = Date.parse(at) - sidecarTime();
  // The sidecar tells its time in whole seconds.
  if (Math.abs(ms) < 1_000) return 'now';
  return ms > 0 ? `in ${span(ms)}` : `${span(-ms)} ago`;
}
