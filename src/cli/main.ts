#!/usr/bin/env -S node --disable-sigusr1 --max-semi-space-size=2
/**
 * The command. Says so when Node is too old, before anything is loaded that would fail to parse there.
 *
 * --disable-sigusr1: SIGUSR1 would open Node's inspector, and with it the keys, to any process of the same user.
 * --max-semi-space-size=2: halves the memory that many streams take.
 */
import { existsSync } from 'node:fs';
import module from 'node:module';
import { join } from 'node:path';
import process from 'node:process';

const [major = 0, minor = 0] = process.versions.node.split('.').map(Number);
if (major < 22 || (major === 22 && minor < 15)) {
  process.stderr.write(
    `spiffe-sds needs Node 22.15 or newer, this is ${process.version}: install Node 24, or use the container image\n`,
  );
  process.exitCode = 2;
} else {
  // Made by the build beside the bundle: whoever may write there may change the program anyway.
  const compiled = join(import.meta.dirname, '.compile-cache');
  if (existsSync(compiled)) {
    process.env['NODE_COMPILE_CACHE_PORTABLE'] ??= '1'; // by path relative to the folder, which may move
    module.enableCompileCache(compiled);
  }
  // Not awaited: bundled chunks may import this file, and would wait for it while it waits for them.
  void import('./program.ts').then(({ run }) => run(process.argv));
}
