{{/*
Envoy's bootstrap. Takes `root` and `name`, and any of:
  inbound: { appPort: 8080, readinessPath: /healthz, allow: [MATCHER…] }     mutual TLS for whom a matcher lets in, to that port of your container
  outbound: [{ name: …, listen: 8081, host: …, port: 8443, expect: [MATCHER…] }]    plain HTTP on loopback, carried over mutual TLS to that host
A MATCHER is one of Envoy's StringMatcher, of SPIFFE IDs: { exact: "spiffe://…" }, { prefix: … }, or what "spiffe-sds.isServiceAccount" makes.
*/}}
{{- define "spiffe-sds.bootstrap" -}}
{{- $values := (index .root.Subcharts "spiffe-sds").Values.envoy -}}
{{- $tls := dict "bundle" $values.bundle -}}
# Who this Envoy is, is said on its command line.
admin:
  # On loopback: whoever reaches it can stop Envoy.
  address: { socket_address: { address: 127.0.0.1, port_value: {{ $values.adminPort }} } }

static_resources:
  clusters:
    # First of the clusters: Envoy takes them in order, and whatever follows may subscribe through this one.
    - name: spiffe_sds
      type: STATIC
      connect_timeout: 1s
      typed_extension_protocol_options:
        envoy.extensions.upstreams.http.v3.HttpProtocolOptions:
          "@type": type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions
          explicit_http_config: { http2_protocol_options: {} }
      circuit_breakers:
        # Each secret is a stream that never ends.
        thresholds: [{ max_connections: 1024, max_pending_requests: 100000, max_requests: 100000 }]
      load_assignment:
        cluster_name: spiffe_sds
        endpoints:
          - lb_endpoints:
              - endpoint: { address: { pipe: { path: /run/spiffe-sds/sds.sock } } }
    - name: envoy_admin
      type: STATIC
      connect_timeout: 1s
      load_assignment:
        cluster_name: envoy_admin
        endpoints:
          - lb_endpoints:
              - endpoint: { address: { socket_address: { address: 127.0.0.1, port_value: {{ $values.adminPort }} } } }
{{- with .inbound }}
    - name: app
      type: STATIC
      connect_timeout: 1s
      load_assignment:
        cluster_name: app
        endpoints:
          - lb_endpoints:
              - endpoint: { address: { socket_address: { address: 127.0.0.1, port_value: {{ .appPort }} } } }
{{- end }}
{{- range .outbound }}
    - name: {{ .name }}
      type: STRICT_DNS
      connect_timeout: 5s
      dns_lookup_family: V4_PREFERRED
      typed_extension_protocol_options:
        envoy.extensions.upstreams.http.v3.HttpProtocolOptions:
          "@type": type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions
          explicit_http_config: { http2_protocol_options: {} }
          # A rotation leaves open connections alone: this is how long one may outlive its peer's certificate or a withdrawn trust.
          common_http_protocol_options: { max_connection_duration: {{ $values.maxConnectionDuration }} }
      transport_socket:
        name: envoy.transport_sockets.tls
        typed_config:
          "@type": type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext
          common_tls_context:
            alpn_protocols: [h2]
            {{- include "spiffe-sds.secrets" (merge (dict "matchers" (required "whom to expect of an outbound: give it `expect`" .expect)) $tls) | nindent 12 }}
      load_assignment:
        cluster_name: {{ .name }}
        endpoints:
          - lb_endpoints:
              - endpoint: { address: { socket_address: { address: {{ .host }}, port_value: {{ .port }} } } }
{{- end }}

  listeners:
    # All that the kubelet may know of Envoy.
    - name: probes
      address: { socket_address: { address: 0.0.0.0, port_value: {{ $values.probePort }} } }
      filter_chains:
        - filters:
            - name: envoy.filters.network.http_connection_manager
              typed_config:
                "@type": type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager
                stat_prefix: probes
                route_config:
                  name: probes
                  virtual_hosts:
                    - name: all
                      domains: ["*"]
                      routes:
                        - { match: { path: /live }, direct_response: { status: 200 } }
                        - { match: { path: /ready }, route: { cluster: envoy_admin } }
                        {{- with .inbound }}{{ with .readinessPath }}
                        # That one path of the application, which the kubelet cannot reach on loopback.
                        - { match: { path: /app }, route: { cluster: app, prefix_rewrite: {{ . }} } }
                        {{- end }}{{ end }}
                {{- include "spiffe-sds.router" . | nindent 16 }}
{{- with .inbound }}
    - name: mtls
      address: { socket_address: { address: 0.0.0.0, port_value: {{ $values.port }} } }
      filter_chains:
        - transport_socket:
            name: envoy.transport_sockets.tls
            typed_config:
              "@type": type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.DownstreamTlsContext
              require_client_certificate: true
              common_tls_context:
                alpn_protocols: [h2, http/1.1]
                {{- include "spiffe-sds.secrets" (merge (dict "matchers" (required "whom to let in: give `inbound` its `allow`" .allow)) $tls) | nindent 16 }}
          filters:
            - name: envoy.filters.network.http_connection_manager
              typed_config:
                "@type": type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager
                stat_prefix: mtls
                # The application learns who called (x-forwarded-client-cert), and from nobody else.
                forward_client_cert_details: SANITIZE_SET
                set_current_client_cert_details: { uri: true }
                common_http_protocol_options: { max_connection_duration: {{ $values.maxConnectionDuration }} }
                # HTTP/1.1 too ends after a response, not in the middle of one.
                http1_safe_max_connection_duration: true
                route_config:
                  name: mtls
                  virtual_hosts:
                    - name: all
                      domains: ["*"]
                      routes:
                        # How long an answer may take is the application's to say.
                        - { match: { prefix: / }, route: { cluster: app, timeout: 0s } }
                {{- include "spiffe-sds.router" . | nindent 16 }}
{{- end }}
{{- range .outbound }}
    - name: to_{{ .name }}
      # On loopback only: whoever reaches it calls with this workload's identity.
      address: { socket_address: { address: 127.0.0.1, port_value: {{ .listen }} } }
      filter_chains:
        - filters:
            - name: envoy.filters.network.http_connection_manager
              typed_config:
                "@type": type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager
                stat_prefix: to_{{ .name }}
                route_config:
                  name: to_{{ .name }}
                  virtual_hosts:
                    - name: all
                      domains: ["*"]
                      routes:
                        - match: { prefix: / }
                          route:
                            cluster: {{ .name }}
                            timeout: 0s
                            # What the other side has not begun may be asked again, whatever it is.
                            retry_policy: { retry_on: "connect-failure,refused-stream,reset-before-request", num_retries: 2 }
                {{- include "spiffe-sds.router" . | nindent 16 }}
{{- end }}
{{- end -}}

{{/* Who we are and whom we trust, both from SDS; whom we deal with is said here. Takes `bundle` and `matchers`. */}}
{{- define "spiffe-sds.secrets" -}}
tls_certificate_sds_secret_configs:
  - name: default
    {{- include "spiffe-sds.sdsConfig" . | nindent 4 }}
combined_validation_context:
  default_validation_context:
    match_typed_subject_alt_names:
      {{- range .matchers }}
      - { san_type: URI, matcher: {{ toJson . }} }
      {{- end }}
  validation_context_sds_secret_config:
    name: {{ .bundle }}
    {{- include "spiffe-sds.sdsConfig" . | nindent 4 }}
{{- end -}}

{{/* The same for all, byte for byte: two that differ are two subscriptions to one secret. */}}
{{- define "spiffe-sds.sdsConfig" -}}
sds_config:
  resource_api_version: V3
  initial_fetch_timeout: 15s
  api_config_source:
    api_type: GRPC
    transport_api_version: V3
    set_node_on_first_message_only: true
    grpc_services:
      - envoy_grpc:
          cluster_name: spiffe_sds
          retry_policy: { retry_back_off: { base_interval: 0.1s, max_interval: 2s } }
{{- end -}}

{{- define "spiffe-sds.router" -}}
http_filters:
  - name: envoy.filters.http.router
    typed_config: { "@type": type.googleapis.com/envoy.extensions.filters.http.router.v3.Router }
{{- end -}}
