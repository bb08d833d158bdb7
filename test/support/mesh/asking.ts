/** The shipped bootstrap of the server, with other names in it. */
import type { Document } from 'yaml';
import { BACKEND } from './mesh.ts';

const CONTEXT = [
  'static_resources',
  'listeners',
  0,
  'filter_chains',
  0,
  'transport_socket',
  'typed_config',
  'common_tls_context',
];
const VALIDATION = [...CONTEXT, 'combined_validation_context'];
const MATCHERS = [...VALIDATION, 'default_validation_context', 'match_typed_subject_alt_names'];

export interface Names {
  /** What the listener asks for as its validation context. */
  readonly trust?: string;
  readonly certificate?: string;
  /** The URI SANs that Envoy's own configuration lets in. Default: all. */
  readonly admitted?: readonly object[];
}

/** The shipped listener with other names. */
export function asking({ trust = 'ALL', certificate = BACKEND, admitted = [] }: Names) {
  return (bootstrap: Document) => {
    bootstrap.setIn([...VALIDATION, 'validation_context_sds_secret_config', 'name'], trust);
    bootstrap.setIn([...CONTEXT, 'tls_certificate_sds_secret_configs', 0, 'name'], certificate);
    bootstrap.setIn(
      MATCHERS,
      admitted.map((matcher) => ({ san_type: 'URI', matcher })),
    );
  };
}
