/** The rules for `broker` that compare two values: what the Delegated Identity API of SPIRE has no place for. */
import { formatEndpoint } from '../../endpoint.ts';
import type { Configuration } from '../schema/schema.ts';
import type { Issue } from './problems.ts';

export function brokerProblems({ broker: { backend, address, server_id, reference } }: Configuration): readonly Issue[] {
  if (backend === 'broker') return [];
  const problem = (key: string, message: string): Issue => ({ code: 'custom', path: ['broker', key], message });
  return [
    ...(address?.kind === 'tcp'
      ? [
          problem(
            'address',
            `${formatEndpoint(address)} is no admin socket of an agent, which backend: delegated_identity needs: write unix:///absolute/path`,
          ),
        ]
      : []),
    ...(server_id === undefined
      ? []
      : [
          problem(
            'server_id',
            'an admin socket has no TLS, so the agent shows no SPIFFE ID there: remove server_id, or write backend: broker',
          ),
        ]),
    ...(reference === 'pid'
      ? []
      : [problem('reference', 'backend: delegated_identity knows processes only: remove reference, or write backend: broker')]),
  ];
}
