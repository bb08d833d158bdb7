/** How the demo tells what happens: lines that stay, and on a terminal a table below them that is drawn again in place. */
import { intruderOf, requestsOf, shortSerial, type Tally } from './demo-tally.ts';

export class DemoScreen {
  readonly #out: NodeJS.WriteStream;
  #table: readonly string[] = [];

  constructor(out: NodeJS.WriteStream) {
    this.#out = out;
  }

  /** A line that stays. */
  say(line: string): void {
    const table = this.#table;
    this.#draw([]);
    this.#out.write(`${line}\n`);
    this.#draw(table);
  }

  /** A line that stays where there is no table to show the same. */
  mention(line: string): void {
    if (!this.#out.isTTY) this.say(line);
  }

  /** @param now milliseconds since the epoch */
  show(tally: Tally, now: number): void {
    if (this.#out.isTTY) this.#draw(tableOf(tally, now));
  }

  /** The last line, below the table if there is one. */
  conclude(line: string): void {
    this.#out.write(this.#table.length > 0 ? `\n${line}\n` : `${line}\n`);
    this.#table = [];
  }

  #draw(table: readonly string[]): void {
    if (this.#table.length > 0) this.#out.write(`\x1b[${this.#table.length}F\x1b[J`);
    // A line that wraps would be two, and the way back up too short.
    const width = (this.#out.columns || 80) - 1;
    for (const line of table) this.#out.write(`${line.slice(0, width)}\n`);
    this.#table = table;
  }
}

function tableOf(tally: Tally, now: number): readonly string[] {
  const rows = [tally.frontend, tally.backend].map(({ certificate, rotations }, i) => {
    const who = i === 0 ? 'frontend' : 'backend';
    if (certificate === undefined) return row(who, '…', '', '', '');
    const expiresIn = Math.round((certificate.validToDate.getTime() - now) / 1000);
    const spiffeId = (certificate.subjectAltName ?? '').replace(/^URI:/, '');
    return row(who, spiffeId, shortSerial(certificate), `${expiresIn} s`, String(rotations));
  });
  return [
    '',
    row('', 'identity shown to its peer', 'serial', 'expires in', 'rotations'),
    ...rows,
    '',
    row('requests', requestsOf(tally)),
    row('intruder', intruderOf(tally)),
  ];
}

function row(first: string, second: string, ...more: readonly string[]): string {
  return [first.padEnd(8), second.padEnd(29), ...more.map((cell) => cell.padEnd(10))].join('  ').trimEnd();
}
