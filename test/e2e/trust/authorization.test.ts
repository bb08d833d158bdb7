/** Who may call what: by Envoy's RBAC (envoy/authorization.yaml), and by Open Policy Agent (deploy/opa). */
import { copyFile, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { beforeAll, expect, it } from 'vitest';
import { findOpa } from '../../../deploy/opa/install.ts';
import { describeWith } from '../../support/describe-with.ts';
import { eventually } from '../../support/eventually.ts';
import { type Call, caller } from '../../support/mesh/authorized.ts';
import { partOf } from '../../support/mesh/bootstrap.ts';
import { describeWithEnvoy, Envoy } from '../../support/mesh/envoy.ts';
import { Child } from '../../support/sidecar/child.ts';
import { startRunning } from '../../support/sidecar/sidecar.ts';

const OPA_FOLDER = join(import.meta.dirname, '..', '..', '..', 'deploy', 'opa');

/** What the shipped rules say, whoever decides. */
const CASES: readonly (readonly [rule: string, call: Call, allowed: boolean])[] = [
  ['the web reads orders', { as: '/web/shop', path: '/orders/7' }, true],
  ['the web does not write them', { as: '/web/shop', method: 'POST', path: '/orders/7' }, false],
  ['the web reads nothing else', { as: '/web/shop', path: '/admin' }, false],
  ['what is only called like the web may not', { as: '/website', path: '/orders/7' }, false],
  ['checkout writes orders', { as: '/checkout', method: 'POST', path: '/orders/7' }, true],
  ['checkout deletes none', { as: '/checkout', method: 'DELETE', path: '/orders/7' }, false],
  ['what is below checkout may not', { as: '/checkout/other', path: '/orders/7' }, false],
  ['a path that begins alike is another', { as: '/checkout', path: '/orders-of-others' }, false],
  ['a path that leads elsewhere is what it means', { as: '/checkout', path: '/orders/../admin' }, false],
  ['a query is no part of the path', { as: '/web/shop', path: '/orders/7?by=spiffe' }, true],
  [
    'nobody says for himself who he is',
    { as: '/website', path: '/orders/7', headers: { 'x-peer': 'spiffe://example.org/checkout' } },
    false,
  ],
];

describeWithEnvoy()('envoy/authorization.yaml', () => {
  let ask: (call: Call) => Promise<number | undefined>;
  let envoy: Envoy;
  beforeAll(async () => {
    const parts = new AsyncDisposableStack();
    const running = parts.use(await startRunning({ identities: [{ path: '/backend' }] }));
    const folder = join(running.socket, '..');
    envoy = parts.use(await Envoy.start(await partOf('authorization.yaml', 'authorizing', ['mtls'], folder)));
    await envoy.live();
    ask = caller(running.workloadApi, await envoy.port('mtls'));
    return () => parts.disposeAsync();
  });

  it.each(CASES)('%s', async (_, call, allowed) => {
    expect(await ask(call)).toBe(allowed ? 200 : 403);
  });

  it('a shadow rule refuses nobody, and counts whom it would have refused', async () => {
    const stat = 'http.mtls.rbac.next.shadow_denied';
    const before = Number(await envoy.stat(stat));
    expect(await ask({ as: '/web/shop', path: '/orders/7' })).toBe(200);
    await envoy.waitForStat(stat, (value) => Number(value) === before + 1);
  });
});

describeWith(findOpa(), 'there is no Open Policy Agent here to test with; this builds it: node deploy/opa/install.ts')(
  'deploy/opa',
  () => {
    it('opa test passes, and there are tests', async () => {
      await using opa = new Child(findOpa() ?? '', ['test', OPA_FOLDER]);
      expect([await opa.ended(), opa.log]).toEqual([0, expect.stringMatching(/PASS: \d\d\/\d\d/)]);
    });

    it('the policy is strict Rego', async () => {
      await using opa = new Child(findOpa() ?? '', ['check', '--strict', OPA_FOLDER]);
      expect([await opa.ended(), opa.log]).toEqual([0, '']);
    });

    describeWithEnvoy()('behind a real Envoy', () => {
      let folder: string;
      let ask: (call: Call) => Promise<number | undefined>;
      let opa: Child;
      const startOpa = () =>
        new Child(findOpa() ?? '', [
          ...['run', '--server', '--watch', '--addr', `unix://${folder}/opa.sock`, '--set', 'decision_logs.console=true'],
          ...['--disable-telemetry', join(folder, 'policy.rego'), join(folder, 'data.json')],
        ]);
      beforeAll(async () => {
        const parts = new AsyncDisposableStack();
        const running = parts.use(await startRunning({ identities: [{ path: '/backend' }] }));
        folder = join(running.socket, '..');
        for (const file of ['policy.rego', 'data.json']) await copyFile(join(OPA_FOLDER, file), join(folder, file));
        opa = startOpa();
        parts.defer(async () => void (await opa.stop()));
        await opa.written(/Server initialized|Initializing server/);
        const bootstrap = await partOf('../deploy/opa/envoy.yaml', 'opa', ['mtls', 'opa_adapter'], folder);
        const envoy = parts.use(await Envoy.start(bootstrap));
        await envoy.live();
        ask = caller(running.workloadApi, await envoy.port('mtls'));
        await eventually('a decision', async () =>
          (await ask({ as: '/web/shop', path: '/orders/7' })) === 200 ? true : undefined,
        );
        return () => parts.disposeAsync();
      });

      it.each(CASES)('%s', async (_, call, allowed) => {
        expect(await ask(call)).toBe(allowed ? 200 : 403);
      });

      it('a path that is no text breaks neither the question nor the answer', async () => {
        expect(await ask({ as: '/web/shop', path: '/orders/%22%7D%2C%22peer%22%3A%22x' })).toBe(200);
        expect(await ask({ as: '/website', path: '/orders/","peer":"spiffe://example.org/checkout' })).toBe(403);
      });

      it('each decision is logged, with who asked for what', async () => {
        await ask({ as: '/web/logged', path: '/orders/7' });
        await opa.written(/"msg":"Decision Log".*|"peer":"spiffe:\/\/example.org\/web\/logged"/);
      });

      it('a policy that changes counts at once', async () => {
        const data = join(folder, 'data.json');
        const before = await readFile(data, 'utf8');
        const call = { as: '/newcomer', path: '/orders/7' };
        expect(await ask(call)).toBe(403);
        const { rules } = JSON.parse(before);
        await writeFile(
          data,
          JSON.stringify({ rules: [...rules, { peer: 'spiffe://example.org/newcomer', methods: ['GET'], path: '/orders/' }] }),
        );
        await eventually('the newcomer', async () => ((await ask(call)) === 200 ? true : undefined));
        await writeFile(data, before);
        await eventually('no newcomer', async () => ((await ask(call)) === 403 ? true : undefined));
      });

      it('nobody is let in while OPA is down, and everybody who may when it is back', async () => {
        await opa.stop();
        expect(await ask({ as: '/web/shop', path: '/orders/7' })).toBe(403);
        opa = startOpa();
        await eventually('OPA again', async () =>
          (await ask({ as: '/web/shop', path: '/orders/7' })) === 200 ? true : undefined,
        );
      });
    });
  },
);
