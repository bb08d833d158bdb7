/** A section with a table. A row stays the same element while what it shows stays the same: whoever reads or selects something is not disturbed. */
import { type Child, element } from './element.ts';

export interface Row {
  /** Which thing it is, while the section lives. */
  readonly key: string;
  /** What it shows, without times that go on by themselves: another text, another element. */
  readonly shows: string;
  readonly cells: () => readonly Child[];
}

/** More rows than this are closed at first. */
const OPEN_ROWS = 25;

export class TableSection {
  readonly #columns: readonly string[];
  readonly #title: Text;
  readonly #count: HTMLElement;
  readonly #body: HTMLElement;
  readonly #none: HTMLElement;
  readonly #table: HTMLElement;
  readonly #rows = new Map<string, { readonly shows: string; readonly element: HTMLElement }>();
  #filled = false;
  readonly #details: HTMLDetailsElement;
  readonly section: HTMLElement;

  /** @param none what is said when there are no rows */
  constructor(id: string, title: string, columns: readonly string[], none: string) {
    this.#columns = columns;
    this.#count = element('span', { class: 'count' });
    this.#body = element('tbody', { role: 'rowgroup' });
    this.#none = element('p', { class: 'quiet' }, none);
    const heads = columns.map((column) => element('th', { scope: 'col', role: 'columnheader' }, column));
    this.#table = element(
      'table',
      { role: 'table', 'aria-labelledby': `${id}-title` },
      element('thead', { role: 'rowgroup' }, element('tr', { role: 'row' }, ...heads)),
      this.#body,
    );
    this.#title = document.createTextNode(`${title} `);
    const heading = element('h2', { id: `${id}-title` }, this.#title, this.#count);
    this.#details = element('details', {}, element('summary', {}, heading), this.#none, this.#table) as HTMLDetailsElement;
    this.#details.open = true;
    this.section = element('section', { id, 'aria-labelledby': `${id}-title`, tabindex: '-1' }, this.#details);
  }

  /** @param closed whether nobody needs it at first */
  show(rows: readonly Row[], closed = rows.length > OPEN_ROWS): void {
    this.#count.textContent = rows.length === 0 ? '' : String(rows.length);
    this.#none.hidden = rows.length > 0;
    this.#table.hidden = rows.length === 0;
    if (!this.#filled && rows.length > 0) {
      this.#filled = true;
      this.#details.open = !closed;
    }
    const keys = new Set(rows.map(({ key }) => key));
    for (const [key, { element: gone }] of this.#rows) {
      if (keys.has(key)) continue;
      gone.remove();
      this.#rows.delete(key);
    }
    let before: Element | null = null;
    for (const row of rows) {
      const shown = this.#shown(row);
      const place: Element | null = before === null ? this.#body.firstElementChild : before.nextElementSibling;
      if (place !== shown) this.#body.insertBefore(shown, place);
      before = shown;
    }
  }

  rename(title: string): void {
    if (this.#title.data !== `${title} `) this.#title.data = `${title} `;
  }

  open(): void {
    this.#details.open = true;
  }

  /** @returns how many rows have this text in them, of how many */
  filter(text: string): { readonly shown: number; readonly of: number } {
    let shown = 0;
    for (const row of this.#body.children) {
      const found = row.textContent?.toLowerCase().includes(text) ?? false;
      (row as HTMLElement).hidden = !found;
      if (found) shown += 1;
    }
    if (text !== '' && shown > 0) this.#details.open = true;
    return { shown, of: this.#rows.size };
  }

  #shown({ key, shows, cells }: Row): HTMLElement {
    const known = this.#rows.get(key);
    if (known?.shows === shows) return known.element;
    const columns = this.#columns;
    const made = cells().map((cell, place) => tableCell(columns[place] ?? '', cell));
    const row = element('tr', { role: 'row', ...(known && { class: 'fresh' }) }, ...made);
    this.#rows.set(key, { shows, element: row });
    if (known !== undefined) takePlace(known.element, row);
    return row;
  }
}

function takePlace(old: HTMLElement, fresh: HTMLElement): void {
  const hadFocus = old.contains(document.activeElement);
  const [opened, details] = [old.querySelector('details'), fresh.querySelector('details')];
  if (opened?.open && details !== null) details.open = true;
  old.replaceWith(fresh);
  if (hadFocus) fresh.querySelector<HTMLElement>('summary, a')?.focus();
}

/** On a narrow page what says nothing is not shown. */
function tableCell(column: string, cell: Child): HTMLElement {
  const made = element('td', { role: 'cell', 'data-column': column }, element('div', {}, cell));
  if (made.textContent === '–') made.dataset['empty'] = '';
  return made;
}
