/** `spiffe-sds bootstrap`: prints an Envoy bootstrap for given names. */
import { isIP } from 'node:net';
import { stringify } from 'yaml';
import { bootstrapOf } from '../bootstrap/bootstrap.ts';
import type { BootstrapOptions } from '../bootstrap/options.ts';
import type { Configuration } from '../config/schema/schema.ts';
import { formatEndpoint, parseEndpoint } from '../endpoint.ts';
import { SpiffeSdsError } from '../error.ts';
import { AUDIENCE_PREFIX } from '../spiffe/jwt/jwt-token.ts';
import { parseSpiffeId, parseTrustDomain, type SpiffeId, type TrustDomain, trustDomainOf } from '../spiffe/spiffe-id.ts';
import { configurationOf } from './configuration.ts';
import { flagValue } from './flag.ts';

export interface BootstrapFlags {
  readonly config?: string;
  readonly listen?: string;
  readonly role: 'server' | 'client' | 'both';
  readonly bundle?: string;
  readonly federate?: readonly string[];
  readonly peer?: string;
  readonly upstream: string;
  readonly serverPort: string;
  readonly clientPort: string;
  readonly adminPort: string;
  readonly delta?: boolean;
  readonly ads?: boolean;
  readonly allow?: readonly string[];
  readonly jwtAudience?: string;
  readonly tokenAudience?: string;
  readonly jwks?: string;
  readonly output: 'yaml' | 'json';
}

const HEAD = '# An Envoy bootstrap by spiffe-sds, for Envoy 1.36 to 1.40.\n';
const DEFAULT_JWKS = 'unix:///run/spiffe-sds/jwks.sock';

/**
 * @param svid a SPIFFE ID
 * @throws SpiffeSdsError `usage`, which names the flag
 */
export async function bootstrap(svid: string, flags: BootstrapFlags): Promise<void> {
  const { configuration } = await configurationOf(flags);
  const options = optionsOf(flagValue('SPIFFE-ID', svid, parseSpiffeId), flags, configuration);
  const made = bootstrapOf(options);
  process.stdout.write(
    flags.output === 'json'
      ? `${JSON.stringify(made, undefined, 2)}\n`
      : `${HEAD}${sidecarNeeds(options, flags)}${stringify(made, { lineWidth: 0, aliasDuplicateObjects: true })}`,
  );
}

/** What the sidecar does not serve unless its configuration says so. */
function sidecarNeeds({ jwt }: BootstrapOptions, { tokenAudience }: BootstrapFlags): string {
  const needs = [
    ...(jwt === undefined ? [] : [`jwks: { listen: "unix://${jwt.jwksSocket}" }`]),
    ...(tokenAudience === undefined ? [] : [`names: { jwt_audiences: [${JSON.stringify(tokenAudience)}] }`]),
  ];
  return needs.length === 0
    ? ''
    : `# The configuration of spiffe-sds needs this:\n${needs.map((line) => `#   ${line}\n`).join('')}`;
}

function optionsOf(svid: SpiffeId, flags: BootstrapFlags, { sds, jwks }: Configuration): BootstrapOptions {
  const { role, federate = [], delta = false, ads = false, allow = [], jwtAudience, tokenAudience, peer } = flags;
  const own = trustDomainOf(svid);
  const federated: readonly TrustDomain[] = federate.map((name) => flagValue('--federate', name, parseTrustDomain));
  if (role !== 'server' && peer === undefined)
    throw new SpiffeSdsError(
      'usage',
      '--peer: whom does the client call? name its SPIFFE ID: --peer spiffe://example.org/backend',
    );
  if (role === 'client' && (allow.length > 0 || jwtAudience !== undefined))
    throw new SpiffeSdsError('usage', '--allow, --jwt-audience: a client has no callers: use them with --role server or both');
  if (role === 'server' && (peer !== undefined || tokenAudience !== undefined))
    throw new SpiffeSdsError('usage', '--peer, --token-audience: a server calls nobody: use them with --role client or both');
  const [host, upstreamPort] = flagValue('--upstream', flags.upstream, parseAddress);
  return {
    node: `${svid.slice(`spiffe://${own}/`.length).replaceAll('/', '-')}-envoy`,
    sdsSocket: sds.listen.path,
    adminPort: flagValue('--admin-port', flags.adminPort, parsePort),
    delta,
    ads,
    svid,
    bundle: flags.bundle ?? (federated.length === 0 ? `spiffe://${own}` : 'ALL'),
    peers: [own, ...federated].map((name) => `spiffe://${name}/`),
    ...(role !== 'client' && { server: { port: flagValue('--server-port', flags.serverPort, parsePort) } }),
    ...(role !== 'server' && {
      client: {
        port: flagValue('--client-port', flags.clientPort, parsePort),
        host,
        upstreamPort,
        serverId: flagValue('--peer', peer ?? '', parseSpiffeId),
        ...(tokenAudience !== undefined && { token: `${AUDIENCE_PREFIX}${tokenAudience}` }),
      },
    }),
    callers: allow.map((id) => flagValue('--allow', id, parseSpiffeId)),
    ...(jwtAudience !== undefined && {
      jwt: { trustDomains: [own, ...federated], audience: jwtAudience, jwksSocket: jwksSocketOf(flags, jwks) },
    }),
  };
}

function jwksSocketOf(flags: BootstrapFlags, { listen }: Configuration['jwks']): string {
  const configured = listen === 'off' ? DEFAULT_JWKS : formatEndpoint(listen);
  return flagValue('--jwks', flags.jwks ?? configured, parseSocket);
}

function parseAddress(text: string): readonly [string, number] {
  const [, bracketed, bare, port = ''] = /^(?:\[(.+)\]|([^:]+)):(\d+)$/.exec(text) ?? [];
  const host = bracketed ?? bare ?? '';
  if (isIP(host) === 0) throw new Error(`${JSON.stringify(text)} is no address: write IP:PORT, such as 127.0.0.1:8443`);
  return [host, parsePort(port)];
}

function parsePort(text: string): number {
  if (/^\d{1,5}$/.test(text) && Number(text) <= 65_535) return Number(text);
  throw new Error(`${JSON.stringify(text)} is no port: write a number from 0 to 65535`);
}

function parseSocket(text: string): string {
  const endpoint = parseEndpoint(text, { unixOnly: true });
  if (endpoint.kind === 'unix') return endpoint.path;
  throw new Error(`${text} is no Unix socket: write unix:///absolute/path`);
}
