/** Watches the configuration file while the sidecar runs, and loads it after each change. */
import { type FSWatcher, readFileSync, watch } from 'node:fs';
import { dirname } from 'node:path';
import type { Clock } from '../clock.ts';
import { messageOf, SpiffeSdsError } from '../error.ts';
import { type ConfigurationChanges, changesBetween } from './changes.ts';
import type { LoadedConfiguration } from './load.ts';
import type { Configuration } from './schema/schema.ts';

/** A file is often written in several steps. It is loaded when it has not changed for this long. */
const SETTLED_MS = 100;

/** The dependencies and listeners of a `ConfigurationWatch`. */
export interface ConfigurationWatchOptions {
  /** The configuration file. */
  readonly path: string;
  /** The configuration with which the sidecar was started. */
  readonly running: Configuration;
  readonly clock: Clock;
  /** Loads the configuration; throws when the file cannot be used. */
  readonly load: () => LoadedConfiguration;
  /** Called after each load. `needRestart` lists all values that differ from `running`, also because of earlier changes. */
  readonly onChange: (loaded: LoadedConfiguration, changes: ConfigurationChanges) => void;
  /** Called when the file cannot be used or watched. The previous configuration stays in force. */
  readonly onProblem: (error: unknown) => void;
}

/** Reports each new content of the file once; `reload` reports also an unchanged file. */
export class ConfigurationWatch {
  readonly #options: ConfigurationWatchOptions;
  #watcher: FSWatcher | undefined;
  #cancelTimer: (() => void) | undefined;
  /** The last content that was loaded; undefined when the file could not be read. */
  #loadedText: string | undefined;
  #inForce: Configuration;

  constructor(options: ConfigurationWatchOptions) {
    this.#options = options;
    this.#inForce = options.running;
  }

  /** Starts to watch. It reports at once what changed after the sidecar loaded its configuration. */
  start(): void {
    this.#watch();
    this.#loadedText = this.#read();
    this.#load({ reportUnchanged: false });
  }

  /** Loads the file now, and reports the result even if nothing changed. */
  reload(): void {
    this.#cancelTimer?.();
    this.#cancelTimer = undefined;
    this.#loadedText = this.#read();
    this.#load({ reportUnchanged: true });
  }

  stop(): void {
    this.#cancelTimer?.();
    this.#watcher?.close();
  }

  /** Watches the folder instead of the file: editors replace the file, and Kubernetes replaces a symbolic link next to it. */
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
      } else if (now !== this.#loadedText) {
        this.#loadedText = now;
        this.#load({ reportUnchanged: true });
      }
    });
  }

  #load({ reportUnchanged }: { readonly reportUnchanged: boolean }): void {
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
    if (reportUnchanged || live.length + needRestart.length > 0) onChange(loaded, { live, needRestart });
  }

  #read(): string | undefined {
    try {
      return readFileSync(this.#options.path, 'utf8');
    } catch {
      return undefined;
    }
  }
}
