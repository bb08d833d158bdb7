import { describe, expect, test } from 'vitest';
import { unsafeOptions } from '../../../src/process/unsafe-options.ts';

describe('an option that shows or lets in is named', () => {
  test.each([
    '--inspect',
    '--inspect=0.0.0.0:9229',
    '--inspect-brk',
    '--inspect-wait',
    '--heapsnapshot-signal=SIGUSR2',
    '--heapsnapshot_signal=SIGUSR2',
    '--heapsnapshot-near-heap-limit=1',
    '--heap-prof',
    '--report-on-signal',
    '--report-on-fatalerror',
    '--report-uncaught-exception',
    '--abort-on-uncaught-exception',
    '--require=./x.js',
    '-r',
    '--import=./x.js',
    '--experimental-loader=./x.js',
    '--env-file=.env',
    '--env-file-if-exists=.env',
    '--experimental-config-file=x',
    '--tls-keylog=keys.log',
    '--trace-tls',
    '--watch',
  ])('%s', (option) => {
    const [name = ''] = option.split('=');
    expect(unsafeOptions([option], {})).toEqual([expect.stringContaining(`${name} on the command line`)]);
    expect(unsafeOptions([], { NODE_OPTIONS: `--max-old-space-size=99 "${option}"` })).toEqual([
      expect.stringContaining(`${name} in NODE_OPTIONS`),
    ]);
  });

  test.each(['NODE_DEBUG', 'NODE_DEBUG_NATIVE', 'NODE_REPL_EXTERNAL_MODULE', 'NODE_V8_COVERAGE'])('%s', (name) => {
    expect(unsafeOptions([], { [name]: 'http2' })).toEqual([expect.stringContaining(name)]);
    expect(unsafeOptions([], { [name]: '' })).toEqual([]);
  });
});

test('what only sets sizes or closes something is none', () => {
  const usual = [
    '--disable-sigusr1',
    '--max-semi-space-size=2',
    '--inspect-port=0',
    '--enable-source-maps',
    '--cpu-prof',
    '--permission',
  ];
  expect(unsafeOptions(usual, { NODE_OPTIONS: usual.join(' '), NODE_EXTRA_CA_CERTS: '/ca.pem' })).toEqual([]);
});
