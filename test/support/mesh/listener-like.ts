import { Document } from 'yaml';

const COMMON_TLS = ['filter_chains', 0, 'transport_socket', 'typed_config', 'common_tls_context'];
const BUNDLE = ['combined_validation_context', 'validation_context_sds_secret_config'];

export interface ListenerSecrets {
  readonly certificate?: string;
  readonly bundle?: string;
  /** Of both secrets. Another value is another ConfigSource. */
  readonly initialFetchTimeout?: string;
}

/** The listener of a server's bootstrap under another name, with other secrets. */
export function listenerLike(bootstrap: Document, name: string, secrets: ListenerSecrets): object {
  const listener = new Document(bootstrap.toJS().static_resources.listeners[0], { aliasDuplicateObjects: false });
  listener.set('name', name);
  listener.setIn(['address', 'socket_address', 'port_value'], 0);
  const references = [
    { at: [...COMMON_TLS, 'tls_certificate_sds_secret_configs', 0], name: secrets.certificate },
    { at: [...COMMON_TLS, ...BUNDLE], name: secrets.bundle },
  ];
  for (const { at, name } of references) {
    if (name !== undefined) listener.setIn([...at, 'name'], name);
    if (secrets.initialFetchTimeout !== undefined) {
      listener.setIn([...at, 'sds_config', 'initial_fetch_timeout'], secrets.initialFetchTimeout);
    }
  }
  return listener.toJS();
}
