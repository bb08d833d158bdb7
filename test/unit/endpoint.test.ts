import { describe, expect, test } from 'vitest';
import { formatEndpoint, grpcTarget, parseEndpoint } from '../../src/endpoint.ts';

describe('an endpoint', () => {
  test.each([
    ['unix:///run/spire/agent/api.sock', { kind: 'unix', path: '/run/spire/agent/api.sock' }, 'unix:/run/spire/agent/api.sock'],
    ['tcp://127.0.0.1:8081', { kind: 'tcp', host: '127.0.0.1', port: 8081 }, 'ipv4:127.0.0.1:8081'],
    ['tcp://[::1]:8081', { kind: 'tcp', host: '::1', port: 8081 }, 'ipv6:[::1]:8081'],
  ])('%s is read, written again, and dialled as grpc-js wants it', (text, endpoint, target) => {
    const parsed = parseEndpoint(text);
    expect({ parsed, text: formatEndpoint(parsed), target: grpcTarget(parsed) }).toEqual({ parsed: endpoint, text, target });
  });

  test('may leave out the empty host', () => {
    expect(parseEndpoint('unix:/run/x.sock')).toEqual(parseEndpoint('unix:///run/x.sock'));
  });

  test.each(['unix:////run/x.sock', 'unix:///run//x.sock', 'unix:/run///x.sock'])(
    '%s: several slashes are one, as they are to the kernel',
    (text) => {
      expect(parseEndpoint(text)).toEqual({ kind: 'unix', path: '/run/x.sock' });
    },
  );

  test('takes a path of 107 bytes', () => {
    expect(parseEndpoint(`unix:///${'a'.repeat(106)}`)).toMatchObject({ kind: 'unix' });
  });

  test('is refused with the text that was given and a code', () => {
    expect(() => parseEndpoint('npipe:agent')).toThrow(
      expect.objectContaining({ code: 'endpoint_invalid', message: expect.stringContaining('"npipe:agent"') }),
    );
  });

  test.each([
    ['', 'it is empty'],
    ['http://127.0.0.1:80', 'write unix:///absolute/path or tcp://IP:PORT'],
    ['unix:@agent', 'no file permissions'],
    ['unix-abstract:agent', 'no file permissions'],
    ['unix:///', 'names a folder'],
    ['unix:///run/', 'names a folder'],
    ['unix:///run/a%20b', 'percent-encoding'],
    [`unix:///${'a'.repeat(107)}`, '108 bytes long and the kernel takes at most 107'],
    [`unix:///${'é'.repeat(54)}`, '109 bytes long'],
    ['unix:///run/\0', 'control character'],
    ['tcp://example.org:80', 'must be an IP address, never a name'],
    ['tcp://me@127.0.0.1:80', 'must be an IP address'],
    ['tcp://[127.0.0.1]:80', 'must be an IP address'],
    ['tcp://[fe80::1%eth0]:80', 'must be an IP address'],
    ['tcp://127.0.0.1', 'must end with a port'],
    ['tcp://127.0.0.1:0', 'must end with a port'],
    ['tcp://127.0.0.1:65536', 'must end with a port'],
  ])('%j is refused: %s', (text, rule) => {
    expect(() => parseEndpoint(text)).toThrow(rule);
  });

  test.each([
    ['/run/x.sock', 'unix:///run/x.sock'],
    ['unix://run/x.sock', 'unix:///run/x.sock'],
    ['unix:run/x.sock', 'unix:///run/x.sock'],
    ['unix:///run/x.sock ', 'unix:///run/x.sock'],
    ['unix:///run/x.sock?a=b', 'unix:///run/x.sock'],
    ['unix:///run/x.sock#a', 'unix:///run/x.sock'],
    ['127.0.0.1:8081', 'tcp://127.0.0.1:8081'],
    ['tcp:127.0.0.1:8081', 'tcp://127.0.0.1:8081'],
    ['tcp://127.0.0.1:8081/', 'tcp://127.0.0.1:8081'],
    ['tcp://::1:8081', 'tcp://[::1]:8081'],
    ['tcp://localhost:8081', 'tcp://127.0.0.1:8081'],
  ])('%j is refused with a guess at what was meant', (text, meant) => {
    expect(() => parseEndpoint(text)).toThrow(`did you mean ${meant}?`);
  });

  test('is refused without a guess that would be refused as well', () => {
    expect(() => parseEndpoint('localhost:8081')).toThrow(/tcp:\/\/IP:PORT$/);
  });
});
