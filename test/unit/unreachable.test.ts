import { mkdtempDisposable } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { whyUnreachable } from '../../src/unreachable.ts';

const WHO = `as uid ${process.getuid?.()}, gid ${process.getgid?.()}`;

/** As grpc-js 1.14 says it. */
const told = (cause: string) => `No connection established. Last error: Error: ${cause}. Resolution note: `;

describe('why a Unix socket cannot be connected to', () => {
  it('is a mount that is missing, when its folder is', () => {
    const path = '/nowhere/agent.sock';
    expect(whyUnreachable({ kind: 'unix', path }, told(`connect ENOENT ${path}`))).toBe(
      `connect ENOENT ${path} ${WHO}: there is no folder /nowhere: mount it here (in a container: a volume; in a pod: the CSI volume), or correct the path`,
    );
  });

  it('is a server that has not started, when the folder is there', async () => {
    await using folder = await mkdtempDisposable(join(tmpdir(), 'unreachable-'));
    const path = join(folder.path, 'agent.sock');
    expect(whyUnreachable({ kind: 'unix', path }, told(`connect ENOENT ${path}`))).toContain(
      `${WHO}: the folder is there but no socket is in it`,
    );
  });

  it('is a wrong path, when a folder or a file is there', async () => {
    await using folder = await mkdtempDisposable(join(tmpdir(), 'unreachable-'));
    const why = (path: string) => whyUnreachable({ kind: 'unix', path }, told(`connect ECONNREFUSED ${path}`));
    expect(why(folder.path)).toMatch(/: that is a folder: name the socket in it$/);
    expect(why(import.meta.filename)).toMatch(/: that is not a socket: correct the path$/);
  });

  it.each([
    ['ECONNREFUSED', 'nobody listens'],
    ['EACCES', 'this user may not write to the socket'],
  ])('says what to change at %s', (code, mend) => {
    const endpoint = { kind: 'unix', path: '/tmp/agent.sock' } as const;
    expect(whyUnreachable(endpoint, told(`connect ${code} /tmp/agent.sock`))).toContain(`${WHO}: `);
    expect(whyUnreachable(endpoint, told(`connect ${code} /tmp/agent.sock`))).toContain(mend);
  });

  it("is left as it was told for other errors, without grpc-js's frame", () => {
    const endpoint = { kind: 'unix', path: '/tmp/agent.sock' } as const;
    expect(whyUnreachable(endpoint, told('connect EMFILE /tmp/agent.sock'))).toBe('connect EMFILE /tmp/agent.sock');
    expect(whyUnreachable(endpoint, `14 UNAVAILABLE: ${told('connect EMFILE /tmp/agent.sock')}`)).toBe(
      'connect EMFILE /tmp/agent.sock',
    );
    expect(whyUnreachable(endpoint, 'the agent is shutting down')).toBe('the agent is shutting down');
    const tcp = { kind: 'tcp', host: '127.0.0.1', port: 8081 } as const;
    expect(whyUnreachable(tcp, told('connect ECONNREFUSED 127.0.0.1:8081'))).toBe('connect ECONNREFUSED 127.0.0.1:8081');
  });
});
