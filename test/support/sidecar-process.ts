import { join } from 'node:path';
import { Child } from './child.ts';

const MAIN = join(import.meta.dirname, '..', '..', 'src', 'cli', 'main.ts');

/** `spiffe-sds serve` as a process of its own, known by its socket and its exit code. */
export class SidecarProcess implements AsyncDisposable {
  readonly #child: Child;

  private constructor(child: Child) {
    this.#child = child;
  }

  /** Starts one and waits until it listens. */
  static async start(workloadApi: string, sdsSocket: string): Promise<SidecarProcess> {
    const inherited = Object.entries(process.env).filter(([name]) => !/^(SPIFFE_|OTEL_)/.test(name));
    const child = new Child(process.execPath, ['--disable-sigusr1', MAIN, 'serve'], {
      ...Object.fromEntries(inherited),
      SPIFFE_ENDPOINT_SOCKET: workloadApi,
      SPIFFE_SDS_LISTEN: `unix://${sdsSocket}`,
      SPIFFE_SDS_LOG_FORMAT: 'json',
    });
    try {
      await child.written(/"event":"listening"/);
      return new SidecarProcess(child);
    } catch (thrown) {
      await child.stop();
      throw thrown;
    }
  }

  /** SIGTERM. Returns the exit code. */
  stop(): Promise<number | NodeJS.Signals> {
    return this.#child.stop();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop();
  }
}
