/** Follows the configuration file while the sidecar runs. */
import { type FSWatcher, readFileSync, watch } from 'node:fs';
import { dirname } from 'node:path';
import type { Clock } from '../clock.ts';
import { messageOf, SpiffeSdsError } from '../error.ts';
import { type ConfigurationChanges, changesBetween } from './changes.ts';
import type { LoadedConfiguration } from './load.ts';
import type { Configuration } from './schema/schema.ts';

/** Whoever writes a file seldom does it at once: one that stood still for so long counts as written. */
const SETTLED_MS = 100;

export interface ConfigurationWatchOptions {
  /** The configuration file. */
  readonly path: string;
  /** The configuration that the sidecar was started with, as it was loaded. */
  readonly running: Configuration;
  readonly clock: Clock;
  /** Throws what is wrong with the file. */
  readonly load: () => LoadedConfiguration;
  /** `needRestart` is all that the running sidecar lacks, also from earlier changes. */
  readonly onChange: (loaded: LoadedConfiguration, changes: ConfigurationChanges) => void;
  /** The file cannot be used, or not be watched: what was in force before is in force still. */
  readonly onProblem: (error: unknown) => void;
}

/** Tells of each content of the file once, and after `reload` in any case. */
export class ConfigurationWatch {
  readonly #options: ConfigurationWatchOptions;
  #watcher: FSWatcher | undefined;
  #cancelTimer: (() => void) | undefined;
  /** Undefined: it could not be read. */
  #told: string | undefined;
  #inForce: Configuration;

  constructor(options: ConfigurationWatchOptions) {
    this.#options = options;
    this.#inForce = options.running;
  }

  /** What changed since the sidecar loaded its configuration is told at once. */
  start(): void {
    this.#watch();
    this.#told = this.#read();
    this.#load({ tellUnchanged: false });
  }

  /** Loads the file now, and tells what came of it. */
  reload(): void {
    this.#cancelTimer?.();
    this.#cancelTimer = undefined;
    this.#told = this.#read();
    this.#load({ tellUnchanged: true });
  }

  stop(): void {
    this.#cancelTimer?.();
    this.#watcher?.close();
  }

  /** The folder, not the file: editors put a new file in its place, Kubernetes swaps a symbolic link beside it. */
  #watch(): void {
    const { path, onProblem } = this.#options;
    const folder = dirname(path);
    const failed = (error: unknown) => {
      const reason = `cannot watch the folder ${JSON.stringify(folder)} for changes of the configuration file: ${messageOf(error)}`;
      onProblem(new SpiffeSdsError('config_unreadable', `${reason}; after a change send SIGHUP`, { cause: error }));
    };
    try {
      this.#watcher = watch(folder, { persistent: false }, () => {
        if (this.#cancelTimer === undefined) this.#settle(this.#read());
      });
      this.#watcher.on('error', failed);
    } catch (error) {
      failed(error);
    }
  }

  #settle(content: string | undefined): void {
    this.#cancelTimer = this.#options.clock.after(SETTLED_MS, () => {
      this.#cancelTimer = undefined;
      const now = this.#read();
      if (now !== content) {
        this.#settle(now);
      } else if (now !== this.#told) {
        this.#told = now;
        this.#load({ tellUnchanged: true });
      }
    });
  }

  #load({ tellUnchanged }: { readonly tellUnchanged: boolean }): void {
    const { running, load, onChange, onProblem } = this.#options;
    let loaded: LoadedConfiguration;
    try {
      loaded = load();
    } catch (error) {
      onProblem(error);
      return;
    }
    const { live } = changesBetween(this.#inForce, loaded.configuration);
    const { needRestart } = changesBetween(running, loaded.configuration);
    this.#inForce = loaded.configuration;
    if (tellUnchanged || live.length + needRestart.length > 0) onChange(loaded, { live, needRestart });
  }

  #read(): string | undefined {
    try {
      return readFileSync(this.#options.path, 'utf8');
    } catch {
      return undefined;
    }
  }
}
