/** Debian's libfaketime: another wall clock for a whole process, that can be put forward and back while it runs. */
import { globSync } from 'node:fs';
import { rename, writeFile } from 'node:fs/promises';

export const FAKETIME_MISSING = 'there is no faketime here: npm run containers installs it (Debian)';

/** The path of the library that does it; undefined where there is none. */
export function findFaketime(): string | undefined {
  return process.platform === 'linux' ? globSync('/usr/lib/*/faketime/libfaketimeMT.so.1')[0] : undefined;
}

/** The wall clock of one process. */
export class FakeClock {
  readonly #library: string;
  readonly #file: string;

  private constructor(library: string, file: string) {
    this.#library = library;
    this.#file = file;
  }

  /**
   * @param file holds the offset; its folder must be there
   * @throws where there is no libfaketime
   */
  static async open(file: string, offsetSeconds = 0): Promise<FakeClock> {
    const library = findFaketime();
    if (library === undefined) throw new Error(FAKETIME_MISSING);
    const clock = new FakeClock(library, file);
    await clock.set(offsetSeconds);
    return clock;
  }

  /** How far it is before the machine's. */
  async set(offsetSeconds: number): Promise<void> {
    const next = `${this.#file}.next`;
    await writeFile(next, `${offsetSeconds < 0 ? '' : '+'}${offsetSeconds}\n`);
    await rename(next, this.#file);
  }

  /** For the process that has this clock. Its monotonic clock stays the machine's. */
  get env(): NodeJS.ProcessEnv {
    return {
      LD_PRELOAD: this.#library,
      FAKETIME_TIMESTAMP_FILE: this.#file,
      FAKETIME_CACHE_DURATION: '1',
      FAKETIME_DONT_FAKE_MONOTONIC: '1',
      FAKETIME_DONT_RESET: '1',
    };
  }
}
