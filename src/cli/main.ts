#!/usr/bin/env -S node --disable-sigusr1 --max-semi-space-size=2
/**
 * The command. Says so when Node is too old, before anything is loaded that would fail to parse there.
 *
 * --disable-sigusr1: SIGUSR1 would open Node's inspector, and with it the keys, to any process of the same user.
 * --max-semi-space-size=2: halves the memory that many streams take.
 */
import process from 'node:process';

const [major = 0, minor = 0] = process.versions.node.split('.').map(Number);
if (major < 22 || (major === 22 && minor < 15)) {
  process.stderr.write(
    `spiffe-sds needs Node 22.15 or newer, this is ${process.version}: install Node 24, or use the container image\n`,
  );
  process.exitCode = 2;
} else {
  const { run } = await import('./program.ts');
  await run(process.argv);
}
