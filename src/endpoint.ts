/** Addresses of sockets, in the form that the SPIFFE Workload Endpoint specification (section 4) gives them. */
import { isIP } from 'node:net';
import { SpiffeSdsError } from './error.ts';

/** Where to connect or listen: an absolute path, or a port of an IP literal (IPv6 without its brackets) or, where rules allow it, of a DNS name. */
export type Endpoint =
  | { readonly kind: 'unix'; readonly path: string }
  | { readonly kind: 'tcp'; readonly host: string; readonly port: number };

/** The kernel's sockaddr_un holds 108 bytes, one of them the closing NUL. */
const MAX_PATH_BYTES = 107;
const UNIX_FORM = 'write unix:///absolute/path';
const FORMS = `${UNIX_FORM} or tcp://IP:PORT`;
const FORMS_WITH_NAMES = `${UNIX_FORM} or tcp://HOST:PORT`;
/** RFC 1123, section 2.1; a last label of digits alone would be a broken IP address. */
const DNS_NAME = /^(?=.{1,253}$)(?:[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?\.)*(?!\d+$)[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?$/i;

/** Which endpoints will do. */
export interface EndpointRules {
  /** Only Unix sockets are suggested in messages: the caller refuses others. Default false. */
  readonly unixOnly?: boolean;
  /** Whether the host may be a DNS name, where the other end proves who it is; default false. */
  readonly names?: boolean;
}

/**
 * @param text `unix:///absolute/path` or `tcp://IP:PORT`
 * @throws SpiffeSdsError `endpoint_invalid`, naming the text, the rule it breaks and a fix that is accepted.
 */
export function parseEndpoint(text: string, { unixOnly = false, names = false }: EndpointRules = {}): Endpoint {
  const forms = unixOnly ? UNIX_FORM : names ? FORMS_WITH_NAMES : FORMS;
  const result = read(text, forms, names);
  if ('kind' in result) return result;
  const meant = result.fix === undefined ? result : read(result.fix, forms, names);
  const fix = 'kind' in meant && !(unixOnly && meant.kind === 'tcp') ? `; did you mean ${result.fix}?` : '';
  throw new SpiffeSdsError('endpoint_invalid', `not an endpoint: ${JSON.stringify(text)}: ${result.rule}${fix}`);
}

/** The text that `parseEndpoint` reads. */
export function formatEndpoint(endpoint: Endpoint): string {
  return endpoint.kind === 'unix' ? `unix://${endpoint.path}` : `tcp://${hostAndPort(endpoint)}`;
}

/** The endpoint as a target of grpc-js: `unix:/path`, `ipv4:127.0.0.1:80`, `ipv6:[::1]:80`, `dns:host:80`. */
export function grpcTarget(endpoint: Endpoint): string {
  if (endpoint.kind === 'unix') return `unix:${endpoint.path}`;
  const version = isIP(endpoint.host);
  return `${version === 0 ? 'dns' : `ipv${version}`}:${hostAndPort(endpoint)}`;
}

function hostAndPort({ host, port }: Endpoint & { kind: 'tcp' }): string {
  return `${isIP(host) === 6 ? `[${host}]` : host}:${port}`;
}

interface Refusal {
  readonly rule: string;
  /** A guess at what was meant. It is suggested only if it is an endpoint. */
  readonly fix?: string;
}

function read(text: string, forms: string, names: boolean): Endpoint | Refusal {
  if (text === '') return { rule: `it is empty: ${forms}` };
  if (/[\s\p{Cc}]/u.test(text)) return { rule: 'it holds white space or a control character', fix: text.trim() };
  if (/^(unix:@|unix:\/\/@|unix-abstract:)/.test(text)) {
    return {
      rule: 'an abstract socket has no file permissions, so anybody could use it: give it a path (unix:///absolute/path)',
    };
  }
  if (/[?#]/.test(text)) return { rule: 'it must not have a query or a fragment', fix: text.replace(/[?#].*/, '') };
  if (text.startsWith('unix:')) return readUnix(text);
  if (text.startsWith('tcp:')) return readTcp(text, forms, names);
  return { rule: forms, fix: text.startsWith('/') ? `unix://${text}` : `tcp://${text}` };
}

function readUnix(text: string): Endpoint | Refusal {
  // With or without the empty authority: RFC 3986 makes no difference, and both are in use.
  const given = /^unix:(?:\/\/(?=\/)|(?!\/\/))(\/.*)$/.exec(text)?.[1];
  if (given === undefined) {
    const fix = text.replace(/^unix:\/*/, 'unix:///');
    return { rule: 'a Unix socket is "unix://" and an absolute path, so three slashes and no host', fix };
  }
  // For the kernel several slashes are one; grpc-js would take the text after two slashes for a host.
  const path = given.replace(/\/+/g, '/');
  if (path.endsWith('/')) return { rule: 'its path names a folder, not a socket' };
  if (path.includes('%')) return { rule: 'percent-encoding is not supported: choose a path without "%"' };
  const bytes = Buffer.byteLength(path);
  if (bytes > MAX_PATH_BYTES) {
    return { rule: `its path is ${bytes} bytes long and the kernel takes at most ${MAX_PATH_BYTES}: choose a shorter one` };
  }
  return { kind: 'unix', path };
}

function readTcp(text: string, forms: string, names: boolean): Endpoint | Refusal {
  const authority = /^tcp:\/\/([^/]*)(\/.*)?$/.exec(text);
  if (authority === null) return { rule: forms, fix: text.replace(/^tcp:\/*/, 'tcp://') };
  const [, address = '', path] = authority;
  if (path !== undefined) return { rule: 'a TCP endpoint has no path', fix: `tcp://${address}` };
  const port = /:([1-9]\d{0,4})$/.exec(address)?.[1];
  if (port === undefined || Number(port) > 65535) return { rule: 'it must end with a port from 1 to 65535: tcp://IP:PORT' };
  const name = address.slice(0, -port.length - 1);
  if (isIP(name) === 6) return { rule: 'an IPv6 address stands in brackets', fix: `tcp://[${name}]:${port}` };
  if (names && DNS_NAME.test(name)) return { kind: 'tcp', host: name, port: Number(port) };
  const bracketed = /^\[([^%]*)\]$/.exec(name)?.[1];
  const host = bracketed ?? name;
  if (isIP(host) !== (bracketed === undefined ? 4 : 6)) {
    const rule = 'the host must be an IP address, never a name, which others could make point elsewhere';
    return name === 'localhost' ? { rule, fix: `tcp://127.0.0.1:${port}` } : { rule };
  }
  return { kind: 'tcp', host, port: Number(port) };
}
