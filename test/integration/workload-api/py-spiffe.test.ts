/** Interoperability: the Workload API client of the SPIFFE project for Python talks to the development Workload API. */
import { execFile } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { pythonPackage } from '../../support/python-packages.ts';
import { TestWorkloadApi } from '../../support/workload-api/test-workload-api.ts';

const library = await pythonPackage('py-spiffe', 'spiffe==0.3.2');
const script = join(import.meta.dirname, 'py_spiffe_client.py');
const run = promisify(execFile);

describe.runIf(library !== undefined)('py-spiffe', () => {
  let folder: string;
  let api: TestWorkloadApi;
  let understood: Record<string, unknown>;

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'py-spiffe-'));
    api = await TestWorkloadApi.start({
      address: `unix://${folder}/api.sock`,
      identities: [{ path: '/web' }, { path: '/api', hint: 'internal' }],
      federated: ['partner.test'],
      intermediate: true,
    });
    const { stdout } = await run('python3', [script, api.address], {
      env: { ...process.env, PYTHONPATH: library },
      timeout: 30_000,
    });
    understood = JSON.parse(stdout) as Record<string, unknown>;
  }, 60_000);
  afterAll(async () => {
    await api.close();
    await rm(folder, { recursive: true });
  });

  test('accepts every X509-SVID', () => {
    expect(understood['x509_svids']).toEqual(Object.fromEntries(api.serials()));
  });

  test('accepts the intermediate in the chain', () => {
    expect(understood['chain_lengths']).toEqual([2, 2]);
  });

  test.for(['x509_context_bundles', 'x509_bundles', 'jwt_bundles'])('reads the %s of both trust domains', (bundles) => {
    expect(understood[bundles]).toEqual(['example.org', 'partner.test']);
  });

  test('verifies the JWT-SVID with the JWT bundle', () => {
    expect(understood['jwt_svid']).toBe('spiffe://example.org/web');
  });

  test('has the JWT-SVID validated', () => {
    expect(understood['validated_jwt_svid']).toBe('spiffe://example.org/web');
  });
});
