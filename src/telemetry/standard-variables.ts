/** The variables of the OpenTelemetry specification: an empty one counts as unset; a wrong one is reported, and counts as unset too. */
import type { Environment } from '../config/source/sources.ts';

/** RFC 9110, section 5.6.2: what both the name of a header and the key of a pair may be. */
const TOKEN = /^[!#$%&'*+\-.^_`|~\w]+$/;

export class StandardVariables {
  readonly #env: Environment;
  readonly #onProblem: (sentence: string) => void;

  constructor(env: Environment, onProblem: (sentence: string) => void) {
    this.#env = env;
    this.#onProblem = onProblem;
  }

  /** The first of the names that is set. */
  nameOf(names: readonly string[]): string | undefined {
    return names.find((name) => this.#env[name]?.trim());
  }

  text(...names: readonly string[]): string | undefined {
    const name = this.nameOf(names);
    return name === undefined ? undefined : this.#env[name]?.trim();
  }

  /** Only `true` is true, in any case. */
  flag(...names: readonly string[]): boolean | undefined {
    const text = this.text(...names)?.toLowerCase();
    if (text !== undefined && text !== 'true' && text !== 'false') {
      this.#onProblem(`${this.nameOf(names)} counts as false: write true or false`);
    }
    return text === undefined ? undefined : text === 'true';
  }

  /** Above zero. */
  number(...names: readonly string[]): number | undefined {
    const text = this.text(...names);
    if (text === undefined) return undefined;
    const value = Number(text);
    // Node's timers take no more.
    if (value > 0 && value < 2 ** 31) return value;
    this.#onProblem(`${this.nameOf(names)} is ignored: it must be a number above 0`);
    return undefined;
  }

  choice<const Choice extends string>(choices: readonly Choice[], ...names: readonly string[]): Choice | undefined {
    const text = this.text(...names)?.toLowerCase();
    const found = choices.find((choice) => choice === text);
    if (text !== undefined && found === undefined) {
      this.#onProblem(`${this.nameOf(names)} is ignored: it must be ${choices.join(' or ')}`);
    }
    return found;
  }

  /** `key=value,key=value`, the values percent-encoded (W3C Baggage, section 3.3). They may be secrets and are never reported. */
  pairs(name: string): Readonly<Record<string, string>> {
    const members = (this.text(name) ?? '').split(',').filter((member) => member.trim() !== '');
    return Object.fromEntries(members.flatMap((member, i) => this.#pair(name, member, i)));
  }

  #pair(name: string, member: string, i: number): readonly (readonly [string, string])[] {
    const [, key = '', value = ''] = /^\s*([^=]*?)\s*=([^;]*)/.exec(member) ?? [];
    try {
      if (TOKEN.test(key)) return [[key, decodeURIComponent(value.trim())]];
    } catch {
      // Reported below, like a bad key.
    }
    this.#onProblem(`entry ${i + 1} of ${name} is ignored: write key=value, with what is special in it percent-encoded`);
    return [];
  }
}
