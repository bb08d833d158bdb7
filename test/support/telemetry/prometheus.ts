/** A real Prometheus, and its promtool. */
import { spawn } from 'node:child_process';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import type { describe } from 'vitest';
import { stringify } from 'yaml';
import { findPrometheus, type PrometheusTool } from '../../../deploy/observability/install.ts';
import { describeWith } from '../describe-with.ts';
import { Child } from '../sidecar/child.ts';

export const OBSERVABILITY = join(import.meta.dirname, '..', '..', '..', 'deploy', 'observability');

export type Labels = Readonly<Record<string, string>>;

export interface Sample {
  readonly labels: Labels;
  readonly value: number;
}

export interface Alert {
  readonly labels: Labels;
  readonly annotations: Labels;
  readonly state: 'pending' | 'firing';
}

export interface PrometheusExemplar {
  readonly labels: Labels;
  readonly value: number;
}

/** One that scrapes sidecars, and evaluates the rules of `deploy/observability`. */
export class Prometheus implements AsyncDisposable {
  readonly #child: Child;
  readonly #address: string;

  private constructor(child: Child, address: string) {
    this.#child = child;
    this.#address = address;
  }

  /**
   * @param folder of its own: for its configuration and its data
   * @param targets `HOST:PORT` of sidecars
   * @throws when it refuses the rules
   */
  static async start(folder: string, targets: readonly string[], interval = '250ms'): Promise<Prometheus> {
    const configuration = {
      global: { scrape_interval: interval, scrape_timeout: interval, evaluation_interval: interval },
      rule_files: [join(OBSERVABILITY, 'rules.yaml')],
      scrape_configs: [{ job_name: 'spiffe-sds', static_configs: [{ targets }] }],
    };
    const file = join(folder, 'prometheus.yaml');
    await writeFile(file, stringify(configuration));
    const data = join(folder, 'prometheus');
    const child = new Child(pathOf('prometheus'), [
      `--config.file=${file}`,
      `--storage.tsdb.path=${data}`,
      '--web.listen-address=127.0.0.1:0',
      '--enable-feature=exemplar-storage',
    ]);
    try {
      const [, address = ''] = await child.written(/Listening on" address=(\S+)/);
      await child.written(/Server is ready/);
      return new Prometheus(child, address);
    } catch (thrown) {
      await child.stop();
      throw thrown;
    }
  }

  /** @throws when the expression is not PromQL */
  async query(expression: string): Promise<readonly Sample[]> {
    type Result = { readonly result: readonly { readonly metric: Labels; readonly value: readonly [number, string] }[] };
    const { result } = await this.#get<Result>('query', { query: expression });
    return result.map(({ metric, value: [, value] }) => ({ labels: metric, value: Number(value) }));
  }

  /** Those that are pending or firing. */
  async alerts(): Promise<readonly Alert[]> {
    return (await this.#get<{ readonly alerts: readonly Alert[] }>('alerts')).alerts;
  }

  /** Those of the last minute. */
  async exemplars(series: string): Promise<readonly PrometheusExemplar[]> {
    type Series = { readonly exemplars: readonly { readonly labels: Labels; readonly value: string }[] };
    const now = Date.now() / 1000;
    const found = await this.#get<readonly Series[]>('query_exemplars', {
      query: series,
      start: String(now - 60),
      end: String(now),
    });
    return found.flatMap(({ exemplars }) => exemplars).map(({ labels, value }) => ({ labels, value: Number(value) }));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#child.stop();
  }

  async #get<Data>(path: string, parameters: Labels = {}): Promise<Data> {
    const response = await fetch(`http://${this.#address}/api/v1/${path}?${new URLSearchParams(parameters)}`);
    const answer = (await response.json()) as { readonly data: Data; readonly error?: string };
    if (!response.ok) throw new Error(`Prometheus answers ${path} ${JSON.stringify(parameters)}: ${answer.error}`);
    return answer.data;
  }
}

/** Runs promtool to its end. Returns what it wrote, to stdout and stderr, and whether it was content. */
export async function promtool(args: readonly string[], input = ''): Promise<{ readonly ok: boolean; readonly output: string }> {
  const child = spawn(pathOf('promtool'), args, { stdio: ['pipe', 'pipe', 'pipe'], timeout: 60_000 });
  child.stdin.end(input);
  const ended = new Promise<number | null>((resolve, reject) => {
    child.once('error', reject).once('close', resolve);
  });
  const [stdout, stderr, code] = await Promise.all([text(child.stdout), text(child.stderr), ended]);
  return { ok: code === 0, output: `${stdout}${stderr}` };
}

/** `describe` where there is a Prometheus; where there is none it skips and says so, and fails on CI. */
export function describeWithPrometheus(): typeof describe | typeof describe.skip {
  const both = findPrometheus('promtool') === undefined ? undefined : findPrometheus('prometheus');
  return describeWith(both, howToGet('prometheus or promtool'));
}

function pathOf(tool: PrometheusTool): string {
  const path = findPrometheus(tool);
  if (path === undefined) throw new Error(howToGet(tool));
  return path;
}

function howToGet(tool: string): string {
  return `there is no ${tool} here to test with; this gets both: npm run prometheus`;
}
