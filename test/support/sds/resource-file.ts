import { rename, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Document } from 'yaml';

const TYPES = {
  lds: 'type.googleapis.com/envoy.config.listener.v3.Listener',
  cds: 'type.googleapis.com/envoy.config.cluster.v3.Cluster',
} as const;

/** Listeners or clusters in a file: an Envoy gets and loses them while it runs. */
export class ResourceFile {
  readonly #kind: keyof typeof TYPES;
  readonly #path: string;

  private constructor(kind: keyof typeof TYPES, path: string) {
    this.#kind = kind;
    this.#path = path;
  }

  /** @param name a file name without its extension; one for each Envoy */
  static async create(
    kind: keyof typeof TYPES,
    folder: string,
    name: string,
    resources: readonly object[] = [],
  ): Promise<ResourceFile> {
    const file = new ResourceFile(kind, join(folder, `${name}.json`));
    await file.replace(resources);
    return file;
  }

  /** Makes an Envoy with this bootstrap read it, beside what it has. */
  addTo(bootstrap: Document): void {
    const source = { resource_api_version: 'V3', path_config_source: { path: this.#path } };
    bootstrap.setIn(['dynamic_resources', `${this.#kind}_config`], source);
  }

  async replace(resources: readonly object[]): Promise<void> {
    const typed = resources.map((resource) => ({ '@type': TYPES[this.#kind], ...resource }));
    await writeFile(`${this.#path}.new`, JSON.stringify({ resources: typed }));
    // Envoy watches for files that are moved in.
    await rename(`${this.#path}.new`, this.#path);
  }
}
