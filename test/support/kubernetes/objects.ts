/** What manifests come to: Helm's and Kustomize's output as objects, and the pods in it. */
import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { parseAllDocuments } from 'yaml';
import { findGoTool, type GoTool } from '../../../deploy/go-install.ts';
import { HELM, KUSTOMIZE } from '../../../deploy/helm/install.ts';
import { describeWith } from '../describe-with.ts';

export const DEPLOY = join(import.meta.dirname, '..', '..', '..', 'deploy');
/** The chart that makes something. */
export const EXAMPLE = join(DEPLOY, 'helm', 'example');

const LIMIT_MS = 60_000;
const run = promisify(execFile);

/** Any object of a cluster, as far as tests look into it. */
export interface KubernetesObject {
  readonly apiVersion: string;
  readonly kind: string;
  readonly metadata: {
    readonly name: string;
    readonly namespace?: string;
    readonly labels?: Readonly<Record<string, string>>;
  };
  // biome-ignore lint/suspicious/noExplicitAny: each kind has another one
  readonly spec?: any;
  readonly data?: Readonly<Record<string, string>>;
}

export interface Mount {
  readonly name: string;
  readonly mountPath: string;
  readonly readOnly?: boolean;
}

export interface HttpProbe {
  readonly httpGet: { readonly path: string; readonly port: string | number };
  readonly periodSeconds?: number;
  readonly failureThreshold?: number;
  readonly timeoutSeconds?: number;
}

export interface Container {
  readonly name: string;
  readonly image: string;
  readonly restartPolicy?: 'Always';
  readonly command?: readonly string[];
  readonly args?: readonly string[];
  readonly env?: readonly { readonly name: string; readonly value?: string; readonly valueFrom?: object }[];
  readonly ports?: readonly { readonly name: string; readonly containerPort: number }[];
  readonly startupProbe?: HttpProbe;
  readonly readinessProbe?: HttpProbe;
  readonly livenessProbe?: HttpProbe;
  readonly lifecycle?: {
    readonly preStop?: { readonly exec?: { readonly command: readonly string[] }; readonly sleep?: { readonly seconds: number } };
  };
  readonly securityContext: {
    readonly runAsUser: number;
    readonly runAsGroup: number;
    readonly readOnlyRootFilesystem?: boolean;
  };
  readonly volumeMounts?: readonly Mount[];
  readonly resources: { readonly limits?: { readonly memory?: string } };
}

export interface Volume {
  readonly name: string;
  readonly csi?: { readonly driver: string };
  readonly emptyDir?: { readonly medium?: string; readonly sizeLimit?: string };
  readonly configMap?: { readonly name: string };
}

export interface PodSpec {
  readonly serviceAccountName: string;
  readonly automountServiceAccountToken?: boolean;
  readonly terminationGracePeriodSeconds: number;
  readonly securityContext: { readonly fsGroup: number };
  readonly initContainers: readonly Container[];
  readonly containers: readonly Container[];
  readonly volumes: readonly Volume[];
}

/** `describe` where the tools are that render manifests. */
export function describeWithManifests(): ReturnType<typeof describeWith> {
  const missing = [HELM, KUSTOMIZE].filter((tool) => findGoTool(tool) === undefined).map(({ name }) => name);
  const found = missing.length === 0 ? 'both' : undefined;
  return describeWith(found, `there is no ${missing.join(', ')} here: npm run helm installs it (by go install)`);
}

/** @throws with what it wrote, when it fails */
export async function tool(which: GoTool, ...args: readonly string[]): Promise<string> {
  const command = findGoTool(which);
  if (command === undefined) throw new Error(`there is no ${which.name} here: npm run helm installs it`);
  const { stdout } = await run(command, args, { timeout: LIMIT_MS, maxBuffer: 16 * 1024 * 1024 });
  return stdout;
}

/**
 * The example as release `demo` in the namespace `shop`.
 * @param args `--set`, or `--values`
 */
export async function helmExample(...args: readonly string[]): Promise<readonly KubernetesObject[]> {
  return objectsOf(await tool(HELM, 'template', 'demo', EXAMPLE, '--namespace', 'shop', ...args));
}

export async function kustomized(folder: string): Promise<readonly KubernetesObject[]> {
  return objectsOf(await tool(KUSTOMIZE, 'build', folder));
}

export function objectsOf(yaml: string): readonly KubernetesObject[] {
  return parseAllDocuments(yaml).flatMap((document) => (document.toJS() as KubernetesObject | null) ?? []);
}

/** @throws when it is not there */
export function find(objects: readonly KubernetesObject[], kind: string, name: string): KubernetesObject {
  const found = objects.find((object) => object.kind === kind && object.metadata.name === name);
  if (found !== undefined) return found;
  const there = objects.map((object) => `${object.kind} ${object.metadata.name}`).join(', ');
  throw new Error(`there is no ${kind} ${name} among ${there}`);
}

/** The pods of a Deployment. */
export function podOf(objects: readonly KubernetesObject[], deployment: string): PodSpec {
  return find(objects, 'Deployment', deployment).spec.template.spec as PodSpec;
}
