{{/* Once in a release. Each takes the root, and makes nothing where it is turned off. */}}

{{/* Whether Prometheus asks the pods: not those without a sidecar. Takes the values of spiffe-sds. Not empty: yes. */}}
{{- define "spiffe-sds.isMonitored" -}}
{{- if and .monitoring.podMonitor.enabled (eq .mode "sidecar") -}}true{{- end -}}
{{- end -}}

{{/* Of all pods of the release. The alert SpiffeSdsDown knows sidecars by "spiffe-sds" in the job's name, which is that of the PodMonitor. */}}
{{- define "spiffe-sds.podMonitor" -}}
{{- $root := . -}}
{{- $values := (index .Subcharts "spiffe-sds").Values -}}
{{- with $values.monitoring.podMonitor -}}
{{- if include "spiffe-sds.isMonitored" $values -}}
apiVersion: monitoring.coreos.com/v1
kind: PodMonitor
metadata:
  name: {{ include "spiffe-sds.configMapName" $root }}
  namespace: {{ $root.Release.Namespace }}
  {{- with .labels }}
  labels: {{ toJson . }}
  {{- end }}
spec:
  selector:
    matchLabels: { app.kubernetes.io/instance: {{ $root.Release.Name }} }
  podMetricsEndpoints:
    - { port: sds-probes, path: /metrics, interval: {{ .interval }} }
{{- end -}}
{{- end -}}
{{- end -}}

{{- define "spiffe-sds.prometheusRule" -}}
{{- $root := . -}}
{{- $own := index .Subcharts "spiffe-sds" -}}
{{- with $own.Values.monitoring.prometheusRule -}}
{{- if .enabled -}}
apiVersion: monitoring.coreos.com/v1
kind: PrometheusRule
metadata:
  name: {{ include "spiffe-sds.configMapName" $root }}
  namespace: {{ $root.Release.Namespace }}
  {{- with .labels }}
  labels: {{ toJson . }}
  {{- end }}
spec:
  {{- $own.Files.Get "files/rules.yaml" | nindent 2 }}
{{- end -}}
{{- end -}}
{{- end -}}

{{- define "spiffe-sds.dashboard" -}}
{{- $root := . -}}
{{- $own := index .Subcharts "spiffe-sds" -}}
{{- with $own.Values.monitoring.dashboard -}}
{{- if .enabled -}}
apiVersion: v1
kind: ConfigMap
metadata:
  name: {{ printf "%s-dashboard" (include "spiffe-sds.configMapName" $root) | trunc 63 | trimSuffix "-" }}
  namespace: {{ $root.Release.Namespace }}
  {{- with .labels }}
  labels: {{ toJson . }}
  {{- end }}
data:
  spiffe-sds.json: |
    {{- $own.Files.Get "files/dashboard.json" | nindent 4 }}
{{- end -}}
{{- end -}}
{{- end -}}
