#!/usr/bin/env -S node --max-semi-space-size=2
/**
 * The command. Says so when Node is too old, before anything is loaded that would fail to parse there; the line above has only what an old
 * one knows, too. It imports nothing: to import Node's own modules would load more of Node than they are.
 *
 * --max-semi-space-size=2: halves the memory that many streams take.
 */
const [major = 0, minor = 0] = process.versions.node.split('.').map(Number);
if (major < 22 || (major === 22 && minor < 15)) {
  process.stderr.write(
    `spiffe-sds needs Node 22.15 or newer, this is ${process.version}: install Node 24, or use the container image\n`,
  );
  process.exitCode = 2;
} else if (isInspectorOpen()) {
  process.stderr.write(
    'spiffe-sds does not run with an inspector that nobody asked for, which shows keys: somebody sent SIGUSR1; run node --disable-sigusr1\n',
  );
  process.exit(1);
} else {
  // Made by the build beside the bundle: whoever may write there may change the program anyway.
  const compiled = `${import.meta.dirname}/.compile-cache`;
  if (process.getBuiltinModule('node:fs').existsSync(compiled)) {
    process.env['NODE_COMPILE_CACHE_PORTABLE'] ??= '1'; // by path relative to the folder, which may move
    process.getBuiltinModule('node:module').enableCompileCache(compiled);
  }
  // Not awaited: bundled chunks may import this file, and would wait for it while it waits for them.
  void import('./program.ts').then(({ run }) => run(process.argv));
}

/**
 * SIGUSR1 opens Node's inspector, on a port that every user of this machine can connect to, unless somebody listens for the signal.
 * @returns whether it did before this could run; what was asked for on the command line does not count
 */
function isInspectorOpen(): boolean {
  process.on('SIGUSR1', () => undefined);
  const options = [...process.execArgv, process.env['NODE_OPTIONS'] ?? ''].join(' ');
  return !/--inspect(?!-port)/.test(options) && process.getBuiltinModule('node:inspector').url() !== undefined;
}
