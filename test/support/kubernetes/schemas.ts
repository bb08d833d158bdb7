/** Whether a cluster would take objects: by Kubernetes' own schemas, and for what others define by what their definitions allow. */
import { execFile } from 'node:child_process';
import { mkdtempDisposable, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { stringify } from 'yaml';
import * as z from 'zod';
import { PYTHON_PACKAGES } from '../containers/install.ts';
import type { KubernetesObject } from './objects.ts';

/** The oldest that has all that the manifests use, one between, and the newest that is known here. */
export const KUBERNETES_VERSIONS = ['1.30.0', '1.34.0', '1.37.0'] as const;

const labels = z.record(z.string(), z.string());
const selector = z.strictObject({
  matchLabels: labels.optional(),
  matchExpressions: z
    .array(
      z.strictObject({
        key: z.string(),
        operator: z.enum(['In', 'NotIn', 'Exists', 'DoesNotExist']),
        values: z.array(z.string()).optional(),
      }),
    )
    .optional(),
});
const namespaced = z.strictObject({ name: z.string(), namespace: z.string().optional(), labels: labels.optional() });

/** v1alpha1 of SPIRE's controller manager. It is of the cluster: a namespace would be refused. */
const clusterSpiffeId = z.strictObject({
  apiVersion: z.literal('spire.spiffe.io/v1alpha1'),
  kind: z.literal('ClusterSPIFFEID'),
  metadata: z.strictObject({ name: z.string(), labels: labels.optional() }),
  spec: z.strictObject({
    spiffeIDTemplate: z.string().startsWith('spiffe://'),
    className: z.string().optional(),
    namespaceSelector: selector.optional(),
    podSelector: selector.optional(),
    workloadSelectorTemplates: z.array(z.string()).optional(),
    dnsNameTemplates: z.array(z.string()).optional(),
    autoPopulateDNSNames: z.boolean().optional(),
    federatesWith: z.array(z.string()).optional(),
    ttl: z.string().optional(),
    jwtTtl: z.string().optional(),
    hint: z.string().optional(),
    fallback: z.boolean().optional(),
    admin: z.boolean().optional(),
    downstream: z.boolean().optional(),
  }),
});

/** As much of v1 of the Prometheus operator as is used here. */
const podMonitor = z.strictObject({
  apiVersion: z.literal('monitoring.coreos.com/v1'),
  kind: z.literal('PodMonitor'),
  metadata: namespaced,
  spec: z.strictObject({
    selector,
    podMetricsEndpoints: z.array(z.strictObject({ port: z.string(), path: z.string(), interval: z.string() })).min(1),
  }),
});

const prometheusRule = z.strictObject({
  apiVersion: z.literal('monitoring.coreos.com/v1'),
  kind: z.literal('PrometheusRule'),
  metadata: namespaced,
  spec: z.strictObject({
    groups: z.array(
      z.strictObject({
        name: z.string(),
        rules: z.array(
          z.strictObject({
            alert: z.string(),
            expr: z.string(),
            for: z.string().optional(),
            keep_firing_for: z.string().optional(),
            labels: labels.optional(),
            annotations: labels.optional(),
          }),
        ),
      }),
    ),
  }),
});

const OF_OTHERS: Readonly<Record<string, z.ZodType>> = {
  ClusterSPIFFEID: clusterSpiffeId,
  PodMonitor: podMonitor,
  PrometheusRule: prometheusRule,
};

const run = promisify(execFile);

/**
 * Strictly: a key that is not known is refused.
 * @throws with what is wrong
 */
export async function validate(objects: readonly KubernetesObject[], version: string): Promise<void> {
  for (const object of objects) OF_OTHERS[object.kind]?.parse(object);
  await using folder = await mkdtempDisposable(join(tmpdir(), 'manifests-'));
  const files = objects
    .filter(({ kind }) => !(kind in OF_OTHERS))
    .map((object, index) => ({ path: join(folder.path, `${index}-${object.kind}-${object.metadata.name}.yaml`), object }));
  for (const { path, object } of files) await writeFile(path, stringify(object));
  const args = ['-m', 'kubernetes_validate', '--strict', '--quiet', '-k', version, ...files.map(({ path }) => path)];
  await run('python3', args, { env: { ...process.env, PYTHONPATH: PYTHON_PACKAGES }, timeout: 60_000 });
}
