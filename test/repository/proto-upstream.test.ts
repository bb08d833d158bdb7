import { execFile } from 'node:child_process';
import { cp, mkdtempDisposable, readFile, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { describe, expect, it } from 'vitest';

const proto = join(import.meta.dirname, '../../proto');
const run = promisify(execFile);

function checkUpstream(...folder: readonly string[]) {
  return run(process.execPath, [join(proto, 'check-upstream.ts'), ...folder]);
}

describe('proto/check-upstream.ts', () => {
  it('passes proto/ as it is', async () => {
    await expect(checkUpstream()).resolves.toMatchObject({ stdout: expect.stringMatching(/^\d+ protos agree with upstream's/) });
  });

  const discovery = 'envoy/service/discovery/v3/discovery.proto';
  const sds = 'envoy/service/secret/v3/sds.proto';
  const base = 'envoy/config/core/v3/base.proto';
  const matcher = 'envoy/type/matcher/v3/string.proto';
  const tls = 'envoy/extensions/transport_sockets/tls/v3/common.proto';

  it.concurrent.each([
    ['field number', discovery, 'response_nonce = 5', 'response_nonce = 9', 'field "9" with name "response_nonce"'],
    ['scalar type', base, 'bytes inline_bytes', 'string inline_bytes', 'from "string" to "bytes"'],
    ['map value type', discovery, 'map<string, string>', 'map<string, bytes>', '"InitialResourceVersionsEntry" changed type'],
    ['field name', base, 'string identifier', 'string ident', 'from "ident" to "identifier"'],
    ['cardinality', discovery, 'repeated string removed_resources', 'string removed_resources', 'to "repeated"'],
    ['oneof name', base, 'oneof specifier', 'oneof source', 'from oneof "source" to oneof "specifier"'],
    ['oneof membership', matcher, '}\n  bool ignore_case = 6;', 'bool ignore_case = 6;\n}', 'from inside to outside a oneof'],
    ['enum value', tls, 'URI = 3', 'URI = 4', 'from "URI" to "IP_ADDRESS"'],
    ['message name', base, 'message Control', 'message Plane {}\nmessage Control', 'message "Plane" was deleted'],
    ['rpc name', sds, 'rpc FetchSecrets', 'rpc GetSecrets', 'RPC "GetSecrets" on service'],
    ['client streaming flag', sds, 'DeltaSecrets(stream ', 'DeltaSecrets(', 'from client unary to client streaming'],
    ['server streaming flag', sds, 'returns (discovery', 'returns (stream discovery', 'from server streaming to server unary'],
    ['request type', sds, 'FetchSecrets(discovery.v3.', 'FetchSecrets(discovery.v3.Delta', 'changed request type'],
    ['response type', sds, 'returns (discovery.v3.', 'returns (discovery.v3.Delta', 'changed response type'],
    ['service name', sds, 'service Secret', 'service Secrets', 'service "SecretsDiscoveryService" was deleted'],
    ['package', sds, 'envoy.service.secret.v3;', 'envoy.service.secret.v2;', '"envoy.service.secret.v2" was deleted'],
  ])('refuses a wrong %s', async (_what, file, right, wrong, finding) => {
    await using folder = await mkdtempDisposable(join(tmpdir(), 'spiffe-sds-'));
    await cp(proto, folder.path, { recursive: true });
    const path = join(folder.path, file);
    const text = await readFile(path, 'utf8');
    expect(text).toContain(right);
    await writeFile(path, text.replace(right, wrong));
    await expect(checkUpstream(folder.path)).rejects.toMatchObject({ code: 1, stderr: expect.stringContaining(finding) });
  });
});
