/** Elements. Text is only ever text here: whatever a peer calls itself, none of it becomes markup. */
export type State = 'ok' | 'warn' | 'bad' | 'idle';
export type Child = Node | string | undefined;

const SVG = 'http://www.w3.org/2000/svg';
const SYMBOLS: Readonly<Record<State, string>> = { ok: '✓', warn: '!', bad: '✕', idle: '–' };

/** @param attributes never `style`: the page's policy refuses it */
export function element(tag: string, attributes: Readonly<Record<string, string>> = {}, ...children: Child[]): HTMLElement {
  return filled(document.createElement(tag), attributes, children);
}

export function svg(tag: string, attributes: Readonly<Record<string, string>> = {}, ...children: Child[]): SVGElement {
  return filled(document.createElementNS(SVG, tag) as SVGElement, attributes, children);
}

/** By its id in page.html. */
export function part(id: string): HTMLElement {
  const found = document.getElementById(id);
  if (found === null) throw new Error(`page.html has no #${id}`);
  return found;
}

/** A state in colour and word. */
export function stateMark(state: State, word: string): HTMLElement {
  return element(
    'span',
    { class: 'state', 'data-state': state },
    element('span', { 'aria-hidden': 'true' }, `${SYMBOLS[state]} `),
    word,
  );
}

/** A name that others chose: what cannot be seen in it is written out. */
export function mono(text: string): HTMLElement {
  return element('span', { class: 'mono' }, visible(text));
}

export function visible(text: string): string {
  return text.replace(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/gu, (unit) => `\\u{${unit.codePointAt(0)?.toString(16)}}`);
}

function filled<E extends Element>(made: E, attributes: Readonly<Record<string, string>>, children: readonly Child[]): E {
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  made.append(...children.filter((child) => child !== undefined));
  return made;
}
