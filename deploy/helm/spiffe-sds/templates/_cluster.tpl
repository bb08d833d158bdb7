{{/* What belongs to one workload beside its pods. Each takes `root` and `name`, and makes nothing where it is turned off. */}}

{{/* The registration of the pods: they are selected, so all their containers are; the sidecar is the one that asks. Of the cluster, not of a namespace. */}}
{{- define "spiffe-sds.clusterSpiffeId" -}}
{{- $root := .root -}}
{{- $selector := include "spiffe-sds.selector" . -}}
{{- $name := .name -}}
{{- with (index .root.Subcharts "spiffe-sds").Values.clusterSpiffeId -}}
{{- if .enabled -}}
apiVersion: spire.spiffe.io/v1alpha1
kind: ClusterSPIFFEID
metadata:
  name: {{ printf "%s-%s" $root.Release.Namespace $name }}
spec:
  {{- with .className }}
  className: {{ . }}
  {{- end }}
  spiffeIDTemplate: {{ .spiffeIdTemplate | quote }}
  namespaceSelector:
    matchLabels: { kubernetes.io/metadata.name: {{ $root.Release.Namespace }} }
  podSelector:
    matchLabels:
      {{- $selector | nindent 6 }}
  {{- with .federatesWith }}
  federatesWith: {{ toJson . }}
  {{- end }}
  {{- with .ttl }}
  ttl: {{ . }}
  {{- end }}
{{- end -}}
{{- end -}}
{{- end -}}

{{/* Also takes `inbound`, left out: nobody calls this workload. */}}
{{- define "spiffe-sds.networkPolicy" -}}
{{- $values := (index .root.Subcharts "spiffe-sds").Values -}}
{{- if $values.networkPolicy.enabled -}}
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata:
  name: {{ .name }}
  namespace: {{ .root.Release.Namespace }}
spec:
  podSelector:
    matchLabels:
      {{- include "spiffe-sds.selector" . | nindent 6 }}
  policyTypes: [Ingress]
  # The kubelet's probes come from the node, which network plugins always let through.
  ingress:
    {{- if .inbound }}
    # Who may come in is Envoy's to say, by identity.
    - ports: [{ port: mtls }]
    {{- end }}
    {{- if include "spiffe-sds.isMonitored" $values }}
    - ports: [{ port: sds-probes }]
      from:
        - namespaceSelector:
            matchLabels: { kubernetes.io/metadata.name: {{ $values.monitoring.podMonitor.namespace }} }
    {{- end }}
    {{- if not (or .inbound (include "spiffe-sds.isMonitored" $values)) }} []{{ end }}
{{- end -}}
{{- end -}}
