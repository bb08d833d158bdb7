/**
 * What takes the place of SPIRE's images where none can be had. It tries the wiring of the profile, its users, volumes and order, and how the
 * agent gets at the labels of containers; not SPIRE.
 */
import { cp, mkdtempDisposable, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type ContainerEngine, ROOT } from './engine.ts';
import { nodeImage, RELEASE_IMAGE } from './stand-ins.ts';

/** @param images the names that compose.yaml gives them */
export async function buildSpireStandIns(
  engine: ContainerEngine,
  images: { readonly server: string; readonly agent: string; readonly bootstrap: string },
): Promise<void> {
  await build(engine, images.server, 'server', `FROM ${await nodeImage()}`, '1000:1000', [
    '/run/spire/server/private',
    '/var/lib/spire/server',
    '/etc/spire/server',
  ]);
  await build(engine, images.agent, 'agent', `FROM ${RELEASE_IMAGE}`, '0:0', ['/var/lib/spire/agent']);
  await engine.build(join(ROOT, 'deploy', 'compose', 'spire'), images.bootstrap);
}

async function build(
  engine: ContainerEngine,
  image: string,
  part: 'server' | 'agent',
  from: string,
  owner: string,
  folders: readonly string[],
): Promise<void> {
  await using folder = await mkdtempDisposable(join(tmpdir(), 'spire-stand-in-'));
  const program = `/opt/spire/bin/spire-${part}`;
  await cp(join(import.meta.dirname, 'spire'), folder.path, { recursive: true });
  // As in SPIRE's images: these folders are there, and their user's.
  const dockerfile = `${from}
USER 0:0
RUN mkdir -p ${folders.join(' ')} && chown -R ${owner} ${folders.join(' ')}
COPY ${part} ${program}
COPY agent.ts /opt/spire/bin/
RUN chmod 0755 ${program}
USER ${owner}
ENTRYPOINT ["${program}", "run"]
`;
  await writeFile(join(folder.path, 'Dockerfile'), dockerfile);
  await engine.build(folder.path, image);
}
