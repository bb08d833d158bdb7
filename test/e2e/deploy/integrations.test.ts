/** deploy/integrations: the Envoy of each product, with the configuration that the product makes for it, and the sidecar's own file. */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { beforeAll, expect, it } from 'vitest';
import { parse } from 'yaml';
import { describeWithEnvoy, Envoy } from '../../support/mesh/envoy.ts';
import { BACKEND } from '../../support/mesh/mesh.ts';
import { MtlsClient } from '../../support/mesh/mtls-client.ts';
import { type Running, startRunning } from '../../support/sidecar/sidecar.ts';

const FOLDER = join(import.meta.dirname, '..', '..', '..', 'deploy', 'integrations');

interface Product {
  readonly envoy: string;
  /** Where the sidecar needs a file of its own. */
  readonly sidecar?: string;
  /** Whom it lets in; without it, everybody. */
  readonly admits?: readonly string[];
  readonly refuses?: string;
}

const PRODUCTS: readonly Product[] = [
  { envoy: 'spire/envoy.yaml', admits: ['example.org/frontend'], refuses: 'example.org/caller' },
  {
    envoy: 'istio/sidecar-envoy.yaml',
    sidecar: 'istio/spiffe-sds.yaml',
    admits: ['example.org/caller', 'partner.test/caller'],
    refuses: 'other.test/caller',
  },
  {
    envoy: 'istio/gateway-envoy.yaml',
    sidecar: 'istio/gateway-spiffe-sds.yaml',
    admits: ['example.org/caller'],
    refuses: 'partner.test/caller',
  },
  { envoy: 'kuma/envoy.yaml', admits: ['example.org/caller'], refuses: 'partner.test/caller' },
  { envoy: 'envoy-gateway/envoy.yaml' },
  { envoy: 'consul/envoy.yaml' },
];

/** Its names, secrets and validation; the addresses are the test's, and the group is not of this machine. */
async function configurationOf({ sidecar }: Product): Promise<string> {
  if (sidecar === undefined) return '';
  const { names, secrets } = parse(await readFile(join(FOLDER, sidecar), 'utf8'));
  return JSON.stringify({ names, ...(secrets === undefined ? {} : { secrets }) });
}

describeWithEnvoy().each(PRODUCTS)('$envoy', (product) => {
  let running: Running;
  let envoy: Envoy;
  let ask: (caller?: string) => Promise<number | undefined>;
  beforeAll(async () => {
    const parts = new AsyncDisposableStack();
    const workload = { identities: [{ path: '/backend' }], federated: ['partner.test', 'other.test'] };
    running = parts.use(await startRunning(workload, await configurationOf(product)));
    const shipped = await readFile(join(FOLDER, product.envoy), 'utf8');
    const bootstrap = shipped.replace(/pipe: \{ path: \S+ \}/, `pipe: { path: ${running.socket} }`);
    envoy = parts.use(await Envoy.start(bootstrap.replaceAll(/port_value: \d+/g, 'port_value: 0')));
    await envoy.live();
    const port = await envoy.port('mtls');
    ask = async (caller) => {
      const [trustDomain = 'example.org', ...path] = caller?.split('/') ?? [];
      const { bundlePem } = await running.workloadApi.issueForeign('example.org', '/caller');
      const identity =
        caller === undefined ? undefined : await running.workloadApi.issueForeign(trustDomain, `/${path.join('/')}`);
      using client = new MtlsClient(port, BACKEND, bundlePem, identity);
      return (await client.get()).status;
    };
    return () => parts.disposeAsync();
  });

  it.each(product.admits ?? [undefined])('lets %s in', async (caller) => {
    expect(await ask(caller)).toBe(200);
  });

  it.runIf(product.refuses !== undefined)('refuses whom its configuration does not name, and whoever shows nothing', async () => {
    await expect(ask(product.refuses)).rejects.toThrow();
    await expect(ask()).rejects.toThrow();
  });

  it('takes the next certificate without a restart', async () => {
    await running.workloadApi.rotate();
    await envoy.presents(running.workloadApi.serials().get(BACKEND));
  });
});
