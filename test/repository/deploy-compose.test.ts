/** deploy/compose/compose.yaml keeps to the Compose Specification, and to rules of our own. */
import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdtempDisposable, readFile, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import { describeWithSchemas } from '../support/containers/describe.ts';
import { COMPOSE_SCHEMA, PYTHON_PACKAGES } from '../support/containers/install.ts';

const FOLDER = join(import.meta.dirname, '..', '..', 'deploy', 'compose');
/** It asks Docker, so it has Docker's socket, and is that socket's owner. */
const PRIVILEGED = 'spire-agent';

interface Service {
  readonly image: string;
  readonly profiles?: readonly string[];
  readonly user: string;
  readonly read_only: boolean;
  readonly cap_drop: readonly string[];
  readonly security_opt: readonly string[];
  readonly network_mode?: string;
  readonly ports?: readonly string[];
  readonly volumes?: readonly string[];
  readonly labels?: Readonly<Record<string, string>>;
  readonly restart?: string;
  readonly depends_on?: readonly string[] | Readonly<Record<string, { readonly condition: string }>>;
}

const document = parse(await readFile(join(FOLDER, 'compose.yaml'), 'utf8'), { merge: true });
const services = Object.entries(document.services as Record<string, Service>);
const ofProfile = (profile?: string) =>
  services.filter(([, { profiles = [] }]) => (profile === undefined ? profiles.length === 0 : profiles.includes(profile)));
const mountsOf = ({ volumes = [] }: Service) =>
  volumes.map((volume) => {
    const [, source = '', target = '', options = ''] = /^(\$\{.*?\}|[^:]+):([^:]+)(?::(.+))?$/.exec(volume) ?? [];
    return { source, target, readOnly: options.split(',').includes('ro') };
  });
const isOfHost = ({ source }: { readonly source: string }) => /^[./~$]/.test(source);

describeWithSchemas()('the schema of the Compose Specification', () => {
  it('is kept', async () => {
    await using folder = await mkdtempDisposable(join(tmpdir(), 'compose-schema-'));
    const file = join(folder.path, 'compose.json');
    await writeFile(file, JSON.stringify(document));
    const script =
      'import json, sys, jsonschema; jsonschema.Draft7Validator(json.load(open(sys.argv[1]))).validate(json.load(open(sys.argv[2])))';
    const env = { ...process.env, PYTHONPATH: PYTHON_PACKAGES };
    await promisify(execFile)('python3', ['-c', script, COMPOSE_SCHEMA, file], { env, timeout: 60_000 });
  });
});

describe.each(services)('%s', (name, service) => {
  it('has a read-only file system, no capability, and gets none', () => {
    expect(service).toMatchObject({ read_only: true, cap_drop: ['ALL'], security_opt: ['no-new-privileges:true'] });
  });

  it('is run by a numeric user who is not root', () => {
    expect(service.user).toMatch(name === PRIVILEGED ? /^0:0$/ : /^[1-9]\d*:\d+$/);
  });

  it('is pinned by a version', () => {
    expect(service.image).toMatch(/:v?\d+\.\d+\.\d+$/);
  });

  it('mounts nothing of the host but files of this repository, read-only', () => {
    const strange = mountsOf(service).filter((mount) => isOfHost(mount) && !(/^\.\.?\//.test(mount.source) && mount.readOnly));
    expect(strange.map(({ target }) => target)).toEqual(
      name === PRIVILEGED ? ['/var/run/docker.sock', '/run/podman/podman.sock'] : [],
    );
    const missing = mountsOf(service).filter(({ source }) => source.startsWith('./') && !existsSync(join(FOLDER, source)));
    expect(missing).toEqual([]);
  });

  it('publishes ports on loopback only', () => {
    for (const port of service.ports ?? []) expect(port).toMatch(/^127\.0\.0\.1:/);
  });
});

describe('the default profile', () => {
  it('needs only the release and Envoy, in the versions of this repository', async () => {
    const { version } = JSON.parse(await readFile(join(FOLDER, '..', '..', 'package.json'), 'utf8'));
    const { ENVOY_VERSIONS } = await import('../../envoy/install.ts');
    const images = new Set(ofProfile().map(([, { image }]) => image));
    expect(images).toEqual(new Set([`spiffe-sds:${version}`, `docker.io/envoyproxy/envoy:v${ENVOY_VERSIONS[0]}`]));
  });

  it.each(['backend', 'frontend'])('%s: Envoy and sidecar share the socket and its group, and nothing else', (name) => {
    const [envoy, sidecar] = [`${name}-envoy`, `${name}-sidecar`].map((key) => document.services[key] as Service);
    const volumes = (service?: Service) =>
      service === undefined
        ? []
        : mountsOf(service)
            .filter((mount) => !isOfHost(mount))
            .map(({ source }) => source);
    expect(volumes(envoy)).toEqual([`${name}-sds`]);
    expect(volumes(sidecar)).toContain(`${name}-sds`);
    expect(sidecar?.user.split(':')[1]).toBe(envoy?.user.split(':')[1]);
    expect(sidecar?.network_mode).toBe('none');
  });
});

/** What ends before others begin. */
const ends = (service: Service) => Object.entries(service.depends_on ?? {}).filter(([, on]) => isCompleted(on));
const isCompleted = (on: { readonly condition: string } | string) =>
  typeof on === 'object' && on.condition === 'service_completed_successfully';

describe('a volume in memory', () => {
  const inMemory = Object.entries(document.volumes as Record<string, { readonly driver_opts?: { readonly type: string } }>)
    .filter(([, { driver_opts: options }]) => options?.type === 'tmpfs')
    .map(([name]) => name);
  const volumesOf = (name: string) =>
    mountsOf(document.services[name])
      .map(({ source }) => source)
      .filter((source) => inMemory.includes(source));

  it('that a container fills and leaves is held by one that runs on, or it would be empty', () => {
    const waiting = services.flatMap(([name, service]) => ends(service).map(([before]) => ({ name, service, before })));
    expect(waiting).not.toEqual([]);
    for (const { name, service, before } of waiting) {
      const running = Object.entries(service.depends_on ?? {}).filter(([, on]) => !isCompleted(on));
      const held = running.flatMap(([holder]) => volumesOf(holder));
      for (const volume of volumesOf(before).filter((volume) => volumesOf(name).includes(volume)))
        expect(held, `${volume}, from ${before} to ${name}`).toContain(volume);
    }
  });
});

describe('the profile spire', () => {
  it('starts an agent again that has come too early', () => {
    expect(document.services['spire-agent'].restart).toBe('on-failure');
  });

  it('registers each sidecar by the uid and the label that it has', async () => {
    const script = await readFile(join(FOLDER, 'spire', 'bootstrap.sh'), 'utf8');
    const registered = [...script.matchAll(/^register (\S+)$/gm)].map(([, name]) => name);
    const sidecars = services.filter(([name]) => name.endsWith('-sidecar')).map(([, sidecar]) => sidecar);
    expect(sidecars.map(({ labels }) => labels?.['spiffe-sds.workload'])).toEqual(registered);
    for (const { user } of sidecars) expect(script).toContain(`unix:uid:\${SIDECAR_UID:-${user.split(':')[0]}}`);
  });
});
