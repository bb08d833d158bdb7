/**
 * A pod without a cluster: what a kubelet makes of a pod's spec, made by hand with podman, because its `play kube` knows neither native sidecars nor
 * CSI volumes, fsGroup or preStop. Kept to are: order of start and end, startup and readiness probes over the pod's network, users and groups,
 * volumes with the owner and mode that fsGroup gives them, read-only file systems, memory limits, preStop hooks, restarts of native sidecars.
 */
import { execFile } from 'node:child_process';
import { chmod, chown, mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { promisify } from 'node:util';
import { type ContainerEngine, HARDENED } from '../containers/engine.ts';
import { eventually } from '../eventually.ts';
import { type Container, find, type HttpProbe, type KubernetesObject, type PodSpec, type Volume } from './objects.ts';

/** How a container ended. */
export interface Exit {
  readonly container: string;
  readonly code: number;
}

export interface PodOptions {
  readonly engine: ContainerEngine;
  /** Unique. */
  readonly name: string;
  readonly spec: PodSpec;
  /** Where its ConfigMaps are. */
  readonly objects: readonly KubernetesObject[];
  /** The folder that the CSI driver would mount. */
  readonly workloadApi: string;
  /** Of podman. */
  readonly network: string;
  /** An image with busybox, for the container that holds the pod's network. */
  readonly pauseImage: string;
  /** Names that the cluster's DNS would know, with their addresses. */
  readonly hosts: Readonly<Record<string, string>>;
}

/** Kubernetes asks every ten seconds; this shortens only the waiting. */
const PROBE_MS = 250;
const START_LIMIT_MS = 60_000;

const run = promisify(execFile);

export class Pod implements AsyncDisposable {
  readonly name: string;
  readonly exits: Exit[] = [];
  #address = '';
  #terminating = false;
  readonly #options: PodOptions;
  readonly #folder: string;
  readonly #mounted: string[] = [];

  private constructor(options: PodOptions, folder: string) {
    this.name = options.name;
    this.#options = options;
    this.#folder = folder;
  }

  /** Resolves when all its containers have started. */
  static async start(options: PodOptions): Promise<Pod> {
    const pod = new Pod(options, await mkdtemp(join(tmpdir(), 'pod-')));
    try {
      await pod.#start();
      return pod;
    } catch (thrown) {
      const logs = await Promise.all(pod.#all.map(async ({ name }) => `${name}: ${await pod.log(name)}`));
      await pod[Symbol.asyncDispose]();
      throw new Error(`the pod ${options.name} does not start:\n${logs.join('\n')}`, { cause: thrown });
    }
  }

  /** Of the pod's network. */
  get address(): string {
    return this.#address;
  }

  get isTerminating(): boolean {
    return this.#terminating;
  }

  /** Whether its readiness probes pass, all of them, as the kubelet would tell the cluster. */
  async isReady(): Promise<boolean> {
    if (this.#terminating) return false;
    const probes = this.#all.flatMap((one) => (one.readinessProbe === undefined ? [] : [this.#passes(one, one.readinessProbe)]));
    return (await Promise.all(probes)).every((passed) => passed);
  }

  async ready(): Promise<void> {
    await eventually(`readiness of ${this.name}`, async () => (await this.isReady()) || undefined, START_LIMIT_MS);
  }

  /** Liveness probes that fail now: a kubelet would start those containers again. */
  async dead(): Promise<readonly string[]> {
    const failed = this.#all.map(async (one) =>
      one.livenessProbe === undefined || (await this.#passes(one, one.livenessProbe)) ? [] : [one.name],
    );
    return (await Promise.all(failed)).flat();
  }

  /** How often a container has started. */
  starts(container: string): number {
    return 1 + this.exits.filter((exit) => exit.container === container).length;
  }

  /** Its stdout and stderr, since its last start. */
  async log(container: string): Promise<string> {
    const { stdout, stderr } = await this.#engine.tried('logs', this.#id(container));
    return `${stdout}${stderr}`;
  }

  /** Runs something in a container. */
  exec(container: string, ...command: readonly string[]) {
    return this.#engine.tried('exec', this.#id(container), ...command);
  }

  /** The process of a container, as the machine knows it. */
  async pid(container: string): Promise<number> {
    return Number(await this.#engine.podman('inspect', '--format', '{{ .State.Pid }}', this.#id(container)));
  }

  /**
   * As the kubelet ends a pod: all preStop hooks at once; then SIGTERM, to a native sidecar only when all containers and the sidecars after it
   * have ended; SIGKILL at the end of the grace period. Resolves when nothing is left.
   */
  async terminate(): Promise<void> {
    this.#terminating = true;
    const { spec } = this.#options;
    const grace = delay(spec.terminationGracePeriodSeconds * 1000, undefined, { ref: false }).then(() => 'over' as const);
    const hooks = new Map(this.#all.map((one) => [one.name, this.#preStop(one)]));
    const end = async ({ name }: Container) => {
      await Promise.race([hooks.get(name), grace]);
      await this.#engine.podman('stop', '--time=10', this.#id(name));
      await this.#ended(name);
    };
    await Promise.all(spec.containers.map(end));
    for (const sidecar of spec.initContainers.toReversed()) await end(sidecar);
    await this[Symbol.asyncDispose]();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#terminating = true;
    await this.#engine.tried('rm', '--force', '--time=0', ...this.#all.map(({ name }) => this.#id(name)));
    await this.#engine.tried('rm', '--force', '--time=0', this.#id('pause'));
    for (const path of this.#mounted.splice(0)) await run('umount', [path]);
    await rm(this.#folder, { recursive: true, force: true });
  }

  get #engine(): ContainerEngine {
    return this.#options.engine;
  }

  get #all(): readonly Container[] {
    return [...this.#options.spec.initContainers, ...this.#options.spec.containers];
  }

  #id(container: string): string {
    return `${this.name}-${container}`;
  }

  async #start(): Promise<void> {
    const { engine, spec, network, pauseImage, hosts } = this.#options;
    for (const volume of spec.volumes) await this.#makeVolume(volume);
    const names = Object.entries(hosts).map(([name, address]) => `--add-host=${name}:${address}`);
    const pause = ['--entrypoint=/bin/busybox', pauseImage, 'sleep', '3600'];
    await engine.podman(
      'run',
      '--detach',
      '--pull=never',
      `--name=${this.#id('pause')}`,
      `--network=${network}`,
      ...names,
      ...pause,
    );
    const format = `{{ (index .NetworkSettings.Networks "${network}").IPAddress }}`;
    this.#address = await engine.podman('inspect', '--format', format, this.#id('pause'));
    for (const container of [...spec.initContainers, ...spec.containers]) await this.#run(container);
  }

  /** Starts it, and waits for its startup probe. */
  async #run(container: Container): Promise<void> {
    const { engine, spec, name: pod } = this.#options;
    const {
      name,
      image,
      securityContext,
      volumeMounts = [],
      command = [],
      args = [],
      env = [],
      resources,
      startupProbe,
    } = container;
    const [entry, ...rest] = command;
    const value = (variable: { readonly value?: string }) => (variable.value ?? pod).replaceAll('$(POD_NAME)', pod);
    await engine.tried('rm', '--force', '--time=0', this.#id(name));
    await engine.podman(
      'run',
      '--detach',
      `--name=${this.#id(name)}`,
      ...HARDENED.filter(
        (option) => option !== '--network=none' && (securityContext.readOnlyRootFilesystem || option !== '--read-only'),
      ),
      `--network=container:${this.#id('pause')}`,
      `--user=${securityContext.runAsUser}:${securityContext.runAsGroup}`,
      `--group-add=${spec.securityContext.fsGroup}`,
      ...(resources.limits?.memory === undefined ? [] : [`--memory=${resources.limits.memory.replace('Mi', 'm')}`]),
      ...env.map((variable) => `--env=${variable.name}=${value(variable)}`),
      ...volumeMounts.map(
        (mount) => `--volume=${this.#volume(mount.name)}:${mount.mountPath}:${mount.readOnly === true ? 'ro' : 'rw'}`,
      ),
      ...(entry === undefined ? [] : [`--entrypoint=${entry}`]),
      image,
      ...rest,
      ...args.map((argument) => value({ value: argument })),
    );
    // Once the pod is gone there is nobody to ask.
    this.#startAgain(container).catch(() => undefined);
    if (startupProbe === undefined) return;
    await eventually(`start of ${name}`, async () => (await this.#passes(container, startupProbe)) || undefined, START_LIMIT_MS);
  }

  /** When it ends by itself: the first time a kubelet does so at once. */
  async #startAgain(container: Container): Promise<void> {
    const id = this.#id(container.name);
    // podman is not waited for without end, and tells that in no way.
    do await this.#engine.tried('wait', id);
    while (!this.#terminating && (await this.#engine.podman('inspect', '--format', '{{ .State.Running }}', id)) === 'true');
    if (this.#terminating) return;
    await this.#ended(container.name);
    await this.#run(container);
  }

  async #ended(container: string): Promise<void> {
    const code = await this.#engine.podman('inspect', '--format', '{{ .State.ExitCode }}', this.#id(container));
    this.exits.push({ container, code: Number(code) });
  }

  async #preStop({ name, lifecycle }: Container): Promise<void> {
    const { exec, sleep } = lifecycle?.preStop ?? {};
    if (sleep !== undefined) await delay(sleep.seconds * 1000);
    if (exec === undefined) return;
    const { code, stderr } = await this.exec(name, ...exec.command);
    if (code !== 0) throw new Error(`the preStop hook of ${name} ended with ${code}: ${stderr}`);
  }

  async #passes({ ports = [], name }: Container, { httpGet }: HttpProbe): Promise<boolean> {
    const port = typeof httpGet.port === 'number' ? httpGet.port : ports.find((one) => one.name === httpGet.port)?.containerPort;
    if (port === undefined) throw new Error(`${name} has no port ${httpGet.port} for its probe`);
    try {
      const response = await fetch(`http://${this.#address}:${port}${httpGet.path}`, { signal: AbortSignal.timeout(3_000) });
      await response.arrayBuffer();
      return response.status >= 200 && response.status < 400;
    } catch {
      await delay(PROBE_MS);
      return false;
    }
  }

  #volume(name: string): string {
    return join(this.#folder, name);
  }

  /** With the group and mode that the kubelet gives it for an fsGroup. */
  async #makeVolume({ name, csi, emptyDir, configMap }: Volume): Promise<void> {
    const { fsGroup } = this.#options.spec.securityContext;
    const path = this.#volume(name);
    await mkdir(path);
    if (csi !== undefined) await this.#mount('--bind', this.#options.workloadApi, path);
    if (emptyDir?.medium === 'Memory') {
      await this.#mount('-t', 'tmpfs', '-o', `size=${(emptyDir.sizeLimit ?? '16Mi').replace('Mi', 'm')}`, 'tmpfs', path);
    }
    if (csi !== undefined) return;
    await chown(path, 0, fsGroup);
    await chmod(path, 0o2777);
    if (configMap === undefined) return;
    for (const [file, text] of Object.entries(find(this.#options.objects, 'ConfigMap', configMap.name).data ?? {})) {
      await writeFile(join(path, file), text, { mode: 0o644 });
      await chown(join(path, file), 0, fsGroup);
    }
  }

  async #mount(...args: readonly string[]): Promise<void> {
    await run('mount', args);
    this.#mounted.push(args.at(-1) as string);
  }
}
