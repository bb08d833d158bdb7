/**
 * The Workload API of the stand-in for spire-agent: that of `spiffe-sds dev`, for who is attested. Node cannot tell which process has
 * connected, so a connection is let in when one of the sidecars that run is attested by its label, as SPIRE's plugin `docker` does it: the
 * container's id from its cgroup, the label from the engine whose cgroup that is.
 */
import { spawn } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, readFileSync } from 'node:fs';
import { request } from 'node:http';
import { connect, createServer } from 'node:net';

const FOLDER = '/run/workload-api';
const BEHIND = `${FOLDER}/agent/workload.sock`;
const SIDECAR_UID = '65532';
const REGISTERED = ['backend', 'frontend'];
/** As SPIRE has them. */
const ENGINES = [
  { cgroup: /libpod-([0-9a-f]{64})/, socketPath: '/run/podman/podman.sock' },
  { cgroup: /(?:docker[-/])([0-9a-f]{64})/, socketPath: '/var/run/docker.sock' },
] as const;

/** A real one ends, too, when it comes too early. */
await new Promise<void>((resolve) => {
  const server = connect(8081, 'spire-server');
  server.on('connect', () => resolve(void server.destroy()));
  server.on('error', (error) => {
    console.error(`agent: the server does not answer: ${error.message}`);
    process.exit(1);
  });
});

// spiffe-sds makes no folder where another user decides what is there, as this volume's owner does.
mkdirSync(`${FOLDER}/agent`, { recursive: true });
const dev = spawn('spiffe-sds', ['dev', '--workload-api', `unix://${BEHIND}`, '--listen', `unix://${FOLDER}/agent/sds.sock`], {
  stdio: 'inherit',
});
dev.on('exit', (code) => process.exit(code ?? 1));
process.on('SIGTERM', () => dev.kill('SIGTERM'));

/** Of all processes, for the agent shares the machine's. */
function sidecars(): readonly string[] {
  return readdirSync('/proc').filter((pid) => {
    try {
      if (!/^\d+$/.test(pid) || !readFileSync(`/proc/${pid}/cmdline`, 'utf8').includes('/opt/spiffe-sds/main.js\0serve'))
        return false;
      return new RegExp(`^Uid:\\t${SIDECAR_UID}\\t`, 'm').test(readFileSync(`/proc/${pid}/status`, 'utf8'));
    } catch {
      return false;
    }
  });
}

async function labelOf(pid: string): Promise<string | undefined> {
  const cgroup = readFileSync(`/proc/${pid}/cgroup`, 'utf8');
  for (const { cgroup: form, socketPath } of ENGINES) {
    const [, id] = form.exec(cgroup) ?? [];
    if (id !== undefined) return (await labelsOf(socketPath, id))['spiffe-sds.workload'];
  }
  throw new Error(`process ${pid} is in no container: ${cgroup}`);
}

function labelsOf(socketPath: string, id: string): Promise<Readonly<Record<string, string>>> {
  return new Promise((resolve, reject) => {
    const asking = request(
      { socketPath, path: `/v1.24/containers/${id}/json`, headers: { host: 'engine' } },
      async (response) => {
        const text = Buffer.concat(await response.toArray()).toString();
        if (response.statusCode === 200) resolve(JSON.parse(text).Config.Labels);
        else reject(new Error(`${socketPath} answered ${response.statusCode}: ${text}`));
      },
    );
    asking.on('error', reject);
    asking.end();
  });
}

const server = createServer(async (socket) => {
  socket.on('error', () => socket.destroy());
  const attested = await Promise.all(sidecars().map((pid) => labelOf(pid).catch((error) => console.error(`agent: ${error}`))));
  console.log(`agent: attested ${JSON.stringify(attested)}`);
  if (!attested.some((label) => REGISTERED.includes(label ?? ''))) {
    socket.destroy();
    return;
  }
  const behind = connect(BEHIND);
  behind.on('error', () => socket.destroy());
  behind.on('close', () => socket.destroy());
  socket.on('close', () => behind.destroy());
  socket.pipe(behind).pipe(socket);
});

const listen = () => {
  if (!existsSync(BEHIND)) setTimeout(listen, 50);
  else server.listen({ path: `${FOLDER}/agent.sock`, readableAll: true, writableAll: true });
};
listen();
