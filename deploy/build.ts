/**
 * `npm run build`: the release in dist/. A few bundled files that need no node_modules, for it is the number of modules that makes a start
 * slow, and beside them the code that V8 compiled for this Node and this user when it ran them once.
 *
 * With `--package`, as `npm pack` calls it, dist/ holds nothing of this machine: koffi stays a dependency, of which npm installs the part for
 * the machine that it installs on, and there is no compiled code.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { copyFile, mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { isBuiltin } from 'node:module';
import { tmpdir } from 'node:os';
import { join, relative } from 'node:path';
import { build, type Plugin } from 'esbuild';
import { licensesOf } from './licenses.ts';

const forNpm = process.argv.includes('--package');
const root = join(import.meta.dirname, '..');
const dist = join(root, 'dist');
const main = join(dist, 'main.js');
const WARM_UP_LIMIT_MS = 60_000;
const target = `${process.platform}-${process.arch}`;

/** koffi's machine code, of this platform only, lies beside the bundle: koffi itself would look for it in folders above dist/. */
const koffiAddon: Plugin = {
  name: 'koffi-addon',
  setup({ onLoad }) {
    const addon = join(root, 'node_modules', '@koromix', `koffi-${target}`, target.replace('-', '_'), 'koffi.node');
    onLoad({ filter: /koffi\/src\/koffi\/src\/static\.js$/ }, () => ({
      contents: `
        import { createRequire } from 'node:module';
        import addon from ${JSON.stringify(addon)};
        export const loadStatic = () => createRequire(import.meta.url)(addon);`,
    }));
  },
};

/** The OTLP exporters hide their `require` of grpc-js from bundlers, and would look for it in a node_modules that is not there. */
const bundledGrpc: Plugin = {
  name: 'bundled-grpc',
  setup({ onLoad }) {
    onLoad({ filter: /otlp-grpc-exporter-base.*\.mjs$/ }, async ({ path }) => {
      const text = await readFile(path, 'utf8');
      return { contents: text.replaceAll('__require("@grpc/grpc-js")', 'require("@grpc/grpc-js")') };
    });
  },
};

/** The part of grpc-js that describes itself to others is never asked to, and is all that would need this. */
const noProtoLoader: Plugin = {
  name: 'no-proto-loader',
  setup({ onResolve, onLoad }) {
    const namespace = 'left-out';
    onResolve({ filter: /^@grpc\/proto-loader$/ }, ({ path }) => ({ path, namespace }));
    onLoad({ filter: /./, namespace }, () => ({ contents: 'module.exports = {};' }));
  },
};

/**
 * An ES module's import of one of Node's own modules reads each of its exports, also those that load more when they are read: of `http` it
 * is undici, for WebSocket, of `util`, `fs` and `process` others. What is asked for by name reads nothing else.
 */
const builtinsByName: Plugin = {
  name: 'builtins-by-name',
  setup({ onResolve, onLoad }) {
    const namespace = 'node-builtin';
    // One for each importer: what many share would be a file of its own.
    onResolve({ filter: /^(node:)?[a-z_0-9]+(\/[a-z]+)?$/ }, ({ path, importer }) =>
      isBuiltin(path) ? { path: `${path.replace(/^node:/, '')}.${digest(relative(root, importer))}`, namespace } : undefined,
    );
    onLoad({ filter: /./, namespace }, ({ path }) => ({
      contents: `module.exports = process.getBuiltinModule(${JSON.stringify(`node:${path.split('.')[0]}`)});`,
    }));
  },
};

const LOADED_LATER: readonly string[] = [
  'cli/bootstrap.ts',
  'cli/check.ts',
  'cli/usage/completion.ts',
  'cli/config-schema.ts',
  'cli/dev.ts',
  'cli/doctor.ts',
  'cli/get.ts',
  'cli/status.ts',
  'admin/admin-server.ts',
  'admin/jwks-server.ts',
  'server/peer-credentials.ts',
  'sidecar/node.ts',
  'spiffe/jwt/jwt-svid.ts',
  'telemetry/audit/audit-sink.ts',
  'telemetry/otlp/otlp.ts',
  'telemetry/traces/open-recorder.ts',
];

/**
 * Whatever is loaded later takes the sidecar for granted, so esbuild keeps in one file what would be as many as there are sets of those that share
 * something: to find, read and link a file takes Node longer than to run it. The command for health checks is the exception.
 */
const oneCore: Plugin = {
  name: 'one-core',
  setup({ onLoad, onEnd }) {
    const core = join(root, 'src', 'cli', 'serve.ts');
    const missing = new Set(LOADED_LATER.map((path) => join(root, 'src', path)));
    onLoad({ filter: /\.ts$/ }, async ({ path }) =>
      missing.delete(path)
        ? { contents: `${await readFile(path, 'utf8')}\nimport ${JSON.stringify(core)};\n`, loader: 'ts' }
        : undefined,
    );
    onEnd(() => {
      if (missing.size > 0) throw new Error(`deploy/build.ts names files that nothing loads: ${[...missing].join(', ')}`);
    });
  },
};
await rm(dist, { recursive: true, force: true });
const { metafile } = await build({
  absWorkingDir: root,
  entryPoints: ['src/cli/main.ts'],
  outdir: dist,
  bundle: true,
  splitting: true,
  format: 'esm',
  platform: 'node',
  target: 'node22',
  minifySyntax: true,
  minifyWhitespace: true,
  // Bundled CommonJS asks for Node's own modules with require. The name is not createRequire: a module may import that itself.
  banner: { js: "import { createRequire as requireFrom } from 'node:module'; const require = requireFrom(import.meta.url);" },
  loader: { '.node': 'file' },
  external: forNpm ? ['koffi'] : [],
  plugins: [builtinsByName, koffiAddon, bundledGrpc, noProtoLoader, oneCore],
  metafile: true,
  logLevel: 'warning',
});
await buildPage();
// Where dist/ is all there is, Node would parse each file twice to find out.
await writeFile(join(dist, 'package.json'), '{ "type": "module" }\n');
// Their licenses ask for it, wherever the bundle goes.
await writeFile(join(dist, 'LICENSES.txt'), await licensesOf(root, Object.keys(metafile.inputs)));
if (!forNpm) await warmUp();

/** The status page, which a browser loads: what src/admin/page-files.ts reads. */
async function buildPage(): Promise<void> {
  const [source, target] = [join(root, 'src', 'admin', 'page'), join(dist, 'page')];
  await build({
    entryPoints: [join(source, 'page.ts')],
    outdir: target,
    bundle: true,
    format: 'esm',
    target: 'es2022',
    logLevel: 'warning',
  });
  for (const name of ['page.html', 'page.css']) await copyFile(join(source, name), join(target, name));
}

/** Runs what a sidecar runs, until everything that is loaded later is there, and what asks it. main.ts fills the folder when there is one. */
async function warmUp(): Promise<void> {
  await mkdir(join(dist, '.compile-cache'), { mode: 0o755 });
  const folder = await mkdtemp(join(tmpdir(), 'spiffe-sds-build-'));
  const listen = `unix://${join(folder, 'sds.sock')}`;
  const admin = `unix://${join(folder, 'admin.sock')}`;
  const config = join(folder, 'spiffe-sds.yaml');
  await writeFile(config, `admin: { listen: "${admin}" }\nlog: { audit: ${join(folder, 'audit.json')} }\n`);
  // Nobody need answer there.
  const otlp = { OTEL_EXPORTER_OTLP_ENDPOINT: 'http://127.0.0.1:9', OTEL_EXPORTER_OTLP_TRACES_PROTOCOL: 'grpc' };
  const dev = run(['dev', '--config', config, '--listen', listen, '--log-format', 'json'], otlp);
  try {
    await written(dev, 'admin_listening');
    await succeeded(run(['get', '--listen', listen]));
    await succeeded(run(['status', '--admin', admin]));
    await succeeded(run(['status', '--ready', '--listen', listen]));
    dev.kill('SIGTERM');
    await succeeded(dev);
  } finally {
    dev.kill('SIGKILL');
    await rm(folder, { recursive: true, force: true });
  }
}

function run(args: readonly string[], more: NodeJS.ProcessEnv = {}): ChildProcess {
  const inherited = Object.entries(process.env).filter(([name]) => !/^(SPIFFE_|OTEL_|NODE_)/.test(name));
  return spawn(process.execPath, [main, ...args], {
    env: { ...Object.fromEntries(inherited), ...more },
    stdio: ['ignore', 'ignore', 'pipe'],
    timeout: WARM_UP_LIMIT_MS,
    killSignal: 'SIGKILL',
  });
}

/** Until the child's log has this in it. */
async function written(child: ChildProcess, text: string): Promise<void> {
  let log = '';
  for await (const chunk of child.stderr as NodeJS.ReadableStream) {
    log += chunk;
    if (log.includes(text)) break;
  }
  if (!log.includes(text)) throw new Error(`dist/main.js does not run:\n${log}`);
}

async function succeeded(child: ChildProcess): Promise<void> {
  child.stderr?.resume();
  const [code, signal] = child.exitCode === null ? await once(child, 'exit') : [child.exitCode];
  if (code !== 0)
    throw new Error(`dist/main.js does not run: ${child.spawnargs.slice(2).join(' ')} ended with ${code ?? signal}`);
}

function digest(text: string): string {
  return createHash('sha256').update(text).digest('hex').slice(0, 16);
}
