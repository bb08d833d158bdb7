/** A validation context that the sidecar lets pass and that an Envoy does not load: how large its regular expressions may be is Envoy's to say. */
import { writeFile } from 'node:fs/promises';
import { beforeAll, describe, expect, it } from 'vitest';
import { stringify } from 'yaml';
import { eventually } from '../../support/eventually.ts';
import { asking } from '../../support/mesh/asking.ts';
import { describeWithEnvoy } from '../../support/mesh/envoy.ts';
import { BACKEND, Stage } from '../../support/mesh/mesh.ts';
import { MtlsClient } from '../../support/mesh/mtls-client.ts';
import { LEGACY_WIRES, speak, type Wire } from '../../support/sds/wire.ts';
import type { LoggedEvent, SidecarProcess } from '../../support/sidecar/sidecar-process.ts';
import type { TestWorkloadApi } from '../../support/workload-api/test-workload-api.ts';

const CALLERS = 'callers';
const PATHS = ['/first', '/second', '/stranger'] as const;

const FIRST = { exact: 'spiffe://example.org/first' };
const SECOND = { exact: 'spiffe://example.org/second' };
/** RE2, but a larger program than the 100 instructions that Envoy takes by default (re2.max_program_size.error_level). */
const TOO_LARGE = { regex: String.raw`spiffe://example\.org/(?:second|[a-z]{200})` };

describeWithEnvoy()('a validation context that an Envoy rejects', () => {
  describe.each(LEGACY_WIRES)('$name', (wire) => {
    let story: Story;
    beforeAll(async () => {
      story = await tell(wire);
    });

    it('is logged with the reason that Envoy gives', () => {
      const { level, node, reason } = story.rejection;
      expect({ level, node, reason }).toEqual({
        level: 50,
        node: 'backend-envoy',
        reason: expect.stringContaining('max program size of 100 set for the error level threshold'),
      });
    });

    it('is sent once, also when the Envoy connects again', () => {
      const rejected = versionIn(story.rejection);
      expect(rejected).toBeDefined();
      expect(story.sent.map(versionIn).filter((version) => version === rejected)).toHaveLength(1);
    });

    it('leaves the Envoy with the one before', () => {
      expect(story.meanwhile).toEqual(['/first']);
    });

    it('is followed by the next one, which the Envoy takes', () => {
      expect(story.afterwards).toEqual(['/second']);
    });

    it('does not keep the next certificate from the Envoy', async () => {
      await using stage = await Stage.prepare();
      const { workloadApi, sidecar, server } = await start(stage, wire);
      await configure(sidecar, TOO_LARGE);
      await sidecar.event(({ event }) => event === 'secrets_rejected');

      await workloadApi.rotate();
      await server.presents(workloadApi.serials().get(BACKEND));
      expect(await letIn(workloadApi, await server.port('mtls'))).toEqual(['/first']);
    });
  });
});

interface Story {
  readonly rejection: LoggedEvent;
  /** From the rejected one on. */
  readonly sent: readonly LoggedEvent[];
  /** Who was let in after the rejection and another connection. */
  readonly meanwhile: readonly string[];
  readonly afterwards: readonly string[];
}

async function tell(wire: Wire): Promise<Story> {
  await using stage = await Stage.prepare();
  const relay = await stage.openRelay();
  const { workloadApi, sidecar, server } = await start(stage, wire, relay.path);
  const port = await server.port('mtls');
  const before = sidecar.events.length;

  await configure(sidecar, TOO_LARGE);
  const rejection = await sidecar.event(({ event }) => event === 'secrets_rejected');
  const beforeReconnection = sidecar.events.length;
  relay.cut();
  const resubscribed = ({ event, names }: LoggedEvent) => event === 'stream_subscribed' && names?.includes(CALLERS);
  await sidecar.until((events) => events.slice(beforeReconnection).find(resubscribed));
  const meanwhile = await letIn(workloadApi, port);

  await configure(sidecar, SECOND);
  const afterwards = await eventually('a second caller who is let in', async () => {
    const paths = await letIn(workloadApi, port);
    return paths.includes('/second') ? paths : undefined;
  });
  const sent = sidecar.events.slice(before).filter(({ event }) => event === 'secrets_pushed');
  return { rejection, sent, meanwhile, afterwards };
}

/** All that runs, with an Envoy that lets the first caller in. */
async function start(stage: Stage, wire: Wire, sdsSocket = stage.sdsSocket) {
  const workloadApi = await stage.startWorkloadApi();
  const sidecar = await stage.startSidecar(admitting(FIRST));
  const server = await stage.startServer({
    sdsSocket,
    edit: async (bootstrap, folder) => {
      asking({ trust: CALLERS })(bootstrap);
      await speak(bootstrap, wire, folder);
    },
  });
  await server.live();
  return { workloadApi, sidecar, server };
}

function admitting(matcher: object) {
  return {
    admin: { listen: '' },
    secrets: [{ name: CALLERS, validation: { trust_domains: ['example.org'], match: [matcher] } }],
  };
}

/** Changes who is let in, and waits until the sidecar has read it. */
async function configure(sidecar: SidecarProcess, matcher: object): Promise<void> {
  const before = sidecar.events.length;
  await writeFile(sidecar.file, stringify(admitting(matcher)));
  await sidecar.until((events) => events.slice(before).find(({ event }) => event === 'configuration_reloaded'));
}

/** Those of the paths whose SVIDs a new handshake lets in. */
async function letIn(workloadApi: TestWorkloadApi, port: number): Promise<readonly string[]> {
  const answers = await Promise.all(
    PATHS.map(async (path) => {
      const { bundlePem, ...identity } = await workloadApi.issueForeign('example.org', path);
      using caller = new MtlsClient(port, BACKEND, bundlePem, identity);
      return await caller.get().then(
        ({ status }) => status === 200,
        () => false,
      );
    }),
  );
  return PATHS.filter((_, i) => answers[i]);
}

/** The version of the context, if it is there. */
function versionIn({ secrets = [] }: LoggedEvent): string | undefined {
  return secrets.find(({ name }) => name === CALLERS)?.version;
}
