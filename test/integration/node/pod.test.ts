/** A process is named to the broker by its pod, which its cgroup tells: here real cgroups, named as kubelet names them. */
import { randomUUID } from 'node:crypto';
import { existsSync, mkdirSync, rmdirSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { expect, test } from 'vitest';
import { eventually } from '../../support/eventually.ts';
import { startNodeProcess } from '../../support/node/node-process.ts';

/** Version 2, version 2 beside version 1, and one hierarchy of version 1. */
const HIERARCHIES = ['/sys/fs/cgroup', '/sys/fs/cgroup/unified', '/sys/fs/cgroup/pids'];

/** Folders of pods, made and removed again. */
class Cgroups implements AsyncDisposable {
  readonly #root: string;
  readonly #made: string[] = [];

  constructor(root: string) {
    this.#root = root;
  }

  /** Undefined: nobody can make one here. */
  static open(): Cgroups | undefined {
    for (const root of HIERARCHIES.filter((folder) => existsSync(join(folder, 'cgroup.procs')))) {
      const cgroups = new Cgroups(root);
      const probe = join(root, `spiffe-sds-test-${process.pid}`);
      try {
        mkdirSync(probe);
        rmdirSync(probe);
        return cgroups;
      } catch {
        // Read-only, or somebody else's: the next.
      }
    }
    return undefined;
  }

  make(path: string): string {
    const folder = join(this.#root, path);
    for (let missing = folder; !existsSync(missing); missing = dirname(missing)) this.#made.push(missing);
    mkdirSync(folder, { recursive: true });
    return folder;
  }

  /** A cgroup with a process in it stays: they have all been ended, and leave it a moment later. What others use too stays with them. */
  async [Symbol.asyncDispose](): Promise<void> {
    const deepestFirst = [...this.#made].sort((a, b) => b.length - a.length);
    const isOfPod = (folder: string) => /pod[0-9a-f]{8}[-_]/.test(folder);
    await eventually('empty cgroups', async () => deepestFirst.filter(isOfPod).map(isRemoved).every(Boolean) || undefined);
    deepestFirst.forEach(isRemoved);
  }
}

function isRemoved(folder: string): boolean {
  try {
    if (existsSync(folder)) rmdirSync(folder);
    return true;
  } catch {
    return false;
  }
}

const opened = process.getuid?.() === 0 ? Cgroups.open() : undefined;
if (opened === undefined) console.warn('SKIPPED: test/integration/node/pod.test.ts needs root, and cgroups that it may write to');

test.runIf(opened !== undefined)(
  'a process gets what its pod may have, one in a cgroup that a user named like a pod and one in no pod get nothing',
  // Longer than what is awaited in it, so that a failure ends its processes, too.
  { timeout: 90_000 },
  async () => {
    await using cgroups = opened as Cgroups;
    const [web, api] = [randomUUID(), randomUUID()];
    await using node = await startNodeProcess({
      identities: [
        { path: '/web', of: { pod: web } },
        { path: '/api', of: { pod: api } },
      ],
      broker: { reference: 'pod' },
    });
    const names = ['spiffe://example.org/web', 'spiffe://example.org/api'];
    const underscored = api.replaceAll('-', '_');
    const systemd = `kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod${underscored}.slice/cri-containerd-1.scope`;
    const inWeb = node.peer(4001, { names, cgroup: cgroups.make(`kubepods/besteffort/pod${web}/1`) });
    const inApi = node.peer(4001, { names, cgroup: cgroups.make(systemd) });
    expect(await inWeb.next()).toMatchObject({ got: ['spiffe://example.org/web'] });
    expect(await inApi.next()).toMatchObject({ got: ['spiffe://example.org/api'] });

    const strangers = [
      node.peer(4002, { names, cgroup: cgroups.make(`user.slice/user-4002.slice/kubepods/pod${web}/1`) }),
      node.peer(4003, { names }),
    ];
    for (const { pid } of strangers)
      await node.sidecar.until(
        (events) => events.find((event) => isRefusal(event) && pidOf(event) === pid),
        `a refusal of ${pid}`,
      );
    for (const stranger of [inWeb, inApi, ...strangers]) await stranger[Symbol.asyncDispose]();
  },
);

const isRefusal = (event: object) => 'code' in event && event.code === 'INVALID_ARGUMENT';
const pidOf = (event: object) => (event as { readonly workload?: { readonly pid: number } }).workload?.pid;
