/** `spiffe-sds doctor --output json` as a process, and what it says. */
import { execFile } from 'node:child_process';
import { join } from 'node:path';
import type { Report } from '../../../src/doctor/report.ts';
import type { Running } from '../sidecar/sidecar.ts';

const MAIN = join(import.meta.dirname, '..', '..', '..', 'src', 'cli', 'main.ts');

export interface Diagnosis extends Report {
  readonly exitCode: number;
  /** The ids of all that is not fine, the first cause first. */
  readonly causes: readonly string[];
}

export function diagnose(...args: readonly string[]): Promise<Diagnosis> {
  const inherited = Object.entries(process.env).filter(([name]) => !/^(SPIFFE_|OTEL_)/.test(name));
  return new Promise((resolve, reject) => {
    execFile(
      process.execPath,
      [MAIN, 'doctor', '--output', 'json', ...args],
      { env: Object.fromEntries(inherited) },
      (error, stdout, stderr) => {
        if (stdout === '') return reject(new Error(`doctor says nothing: ${stderr}`));
        const report = JSON.parse(stdout) as Report;
        const causes = report.findings.filter(({ severity }) => severity !== 'fine').map(({ id }) => id);
        resolve({ ...report, exitCode: Number(error?.code ?? 0), causes });
      },
    );
  });
}

/** The flags that name a sidecar. */
export function flagsOf({ socket, workloadApi }: Pick<Running, 'socket' | 'workloadApi'>, admin: string): readonly string[] {
  return ['--listen', `unix://${socket}`, '--admin', admin, '--workload-api', workloadApi.address];
}
