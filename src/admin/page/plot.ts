/** Pushes and answers of the last hour, a bar for each minute; NACKs stand on top, in red. Said in words as well. */
import type { Status } from '../status.ts';
import { element, svg } from './element.ts';
import { sidecarTime } from './time.ts';

const MINUTE_MS = 60_000;
const MINUTES = 60;
const [WIDTH, HEIGHT, STEP] = [600, 60, 10];

export function deliveryPlot({ history: { delivery } }: Status): readonly HTMLElement[] {
  const sum = (what: 'pushes' | 'acks' | 'nacks') => delivery.reduce((total, minute) => total + minute[what], 0);
  const [pushes, acks, nacks] = [sum('pushes'), sum('acks'), sum('nacks')];
  const words = `${pushes} pushed, ${acks} accepted (ACK), ${nacks} rejected (NACK)`;
  if (pushes + acks + nacks === 0) return [element('p', { class: 'quiet' }, 'Nothing was sent.')];
  const most = Math.max(1, ...delivery.map((minute) => Math.max(minute.pushes, minute.nacks)));
  const oldest = Math.floor(sidecarTime() / MINUTE_MS) - MINUTES + 1;
  const bars = delivery.flatMap((minute) => {
    const x = (Date.parse(minute.at) / MINUTE_MS - oldest) * STEP;
    if (x < 0) return [];
    return [bar('push', x, minute.pushes / most), ...(minute.nacks > 0 ? [bar('nack', x, minute.nacks / most)] : [])];
  });
  const base = svg('line', { class: 'base', x1: '0', x2: String(WIDTH), y1: String(HEIGHT), y2: String(HEIGHT) });
  const plot = svg(
    'svg',
    {
      class: 'plot',
      viewBox: `0 0 ${WIDTH} ${HEIGHT}`,
      preserveAspectRatio: 'none',
      role: 'img',
      'aria-label': `In the last hour: ${words}`,
    },
    base,
    ...bars,
  );
  const figure = element('div', {});
  figure.append(plot);
  return [
    element('p', {}, words, element('span', { class: 'quiet' }, `; at most ${most} a minute`)),
    figure,
    element('p', { class: 'axis', 'aria-hidden': 'true' }, element('span', {}, '1h ago'), element('span', {}, 'now')),
  ];
}

function bar(kind: 'push' | 'nack', x: number, part: number): SVGElement {
  // One that is small is seen as well.
  const height = part === 0 ? 0 : Math.max(3, part * HEIGHT);
  return svg('rect', {
    class: kind,
    x: String(x + 1),
    width: String(STEP - 2),
    y: String(HEIGHT - height),
    height: String(height),
  });
}
