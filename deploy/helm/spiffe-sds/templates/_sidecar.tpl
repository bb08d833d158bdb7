{{/*
The sidecar, for `initContainers`, before whatever needs an identity. With restartPolicy Always an init container is a sidecar: the others start
when its startup probe has succeeded, and end before it. None with mode: node. Takes the root.
*/}}
{{- define "spiffe-sds.sidecar" -}}
{{- include "spiffe-sds.own" . -}}
{{- $own := index .Subcharts "spiffe-sds" -}}
{{- with $own.Values -}}
{{- if eq .mode "sidecar" -}}
- name: spiffe-sds
  image: {{ include "spiffe-sds.image" (dict "image" .image "tag" $own.Chart.AppVersion) }}
  imagePullPolicy: {{ .image.pullPolicy }}
  restartPolicy: Always
  env:
    - { name: SPIFFE_ENDPOINT_SOCKET, value: "unix:///spiffe-workload-api/{{ .workloadApi.socket }}" }
    - { name: SPIFFE_SDS_PROBES, value: "0.0.0.0:{{ .probePort }}" }
    - { name: SPIFFE_SDS_CONFIG, value: /etc/spiffe-sds/spiffe-sds.yaml }
  ports:
    - { name: sds-probes, containerPort: {{ .probePort }} }
  startupProbe:
    httpGet: { path: /startupz, port: sds-probes }
    periodSeconds: 1
    timeoutSeconds: 3
    failureThreshold: {{ .startupSeconds }}
  readinessProbe:
    httpGet: { path: /readyz, port: sds-probes }
    timeoutSeconds: 3
  livenessProbe:
    httpGet: { path: /livez, port: sds-probes }
    timeoutSeconds: 3
  securityContext:
    {{- include "spiffe-sds.containerSecurity" .runAsUser | nindent 4 }}
  volumeMounts:
    - { name: spiffe-workload-api, mountPath: /spiffe-workload-api, readOnly: true }
    - { name: spiffe-sds, mountPath: /run/spiffe-sds }
    - { name: spiffe-sds-config, mountPath: /etc/spiffe-sds, readOnly: true }
  resources:
    {{- toYaml .resources | nindent 4 }}
{{- end -}}
{{- end -}}
{{- end -}}

{{/* For `volumes`. Takes the root. */}}
{{- define "spiffe-sds.volumes" -}}
{{- $own := index .Subcharts "spiffe-sds" -}}
{{- if eq $own.Values.mode "node" -}}
# The folder of the node's SDS socket. What a pod gets there the agent says, of the process that asks.
- name: spiffe-sds
  {{- toYaml $own.Values.node.volume | nindent 2 }}
{{- else -}}
# The folder of the agent's socket on this node.
- name: spiffe-workload-api
  {{- toYaml $own.Values.workloadApi.volume | nindent 2 }}
# In memory; nothing lies there but the SDS socket.
- name: spiffe-sds
  emptyDir: { medium: Memory, sizeLimit: 1Mi }
- name: spiffe-sds-config
  configMap: { name: {{ include "spiffe-sds.configMapName" . }} }
{{- end -}}
{{- end -}}

{{/* For the pod's `securityContext`. Takes the root. */}}
{{- define "spiffe-sds.podSecurity" -}}
{{- $own := index .Subcharts "spiffe-sds" -}}
runAsNonRoot: true
# The volume of the SDS socket belongs to this group, and so does the socket, whose mode is 0660.
fsGroup: {{ $own.Values.group }}
seccompProfile: { type: RuntimeDefault }
{{- end -}}

{{- define "spiffe-sds.configMapName" -}}
{{ printf "%s-spiffe-sds" .Release.Name | trunc 63 | trimSuffix "-" }}
{{- end -}}

{{/* What is in spiffe-sds.yaml. Takes the root. */}}
{{- define "spiffe-sds.config" -}}
{{- $values := (index .Subcharts "spiffe-sds").Values -}}
{{- $config := deepCopy $values.config -}}
{{- if include "spiffe-sds.isMonitored" $values -}}
{{- $config = mergeOverwrite $config (dict "admin" (dict "probes_metrics" true)) -}}
{{- end -}}
{{- toYaml $config -}}
{{- end -}}

{{/* The ConfigMap of the sidecar, once in a release. It is followed: a change needs no new pods. None with mode: node. Takes the root. */}}
{{- define "spiffe-sds.configMap" -}}
{{- if eq (index .Subcharts "spiffe-sds").Values.mode "sidecar" -}}
apiVersion: v1
kind: ConfigMap
metadata:
  name: {{ include "spiffe-sds.configMapName" . }}
  namespace: {{ .Release.Namespace }}
data:
  spiffe-sds.yaml: |
    {{- include "spiffe-sds.config" . | nindent 4 }}
{{- end -}}
{{- end -}}
