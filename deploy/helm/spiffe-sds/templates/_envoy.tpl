{{/*
Envoy as a native sidecar, for `initContainers`, after the sidecar of spiffe-sds. Being one, it starts before your containers and ends after
them. Takes `root` and `name`, the workload's.
*/}}
{{- define "spiffe-sds.envoy" -}}
{{- with (index .root.Subcharts "spiffe-sds").Values.envoy -}}
- name: envoy
  image: {{ include "spiffe-sds.image" (dict "image" .image "tag" "") }}
  imagePullPolicy: {{ .image.pullPolicy }}
  restartPolicy: Always
  args:
    - --config-path
    - /etc/envoy/envoy.yaml
    - --service-cluster
    - {{ $.name }}
    - --service-node
    - $(POD_NAME)
    - --concurrency
    - {{ .concurrency | quote }}
    # Whoever has a connection is told with the next response to make a new one, which goes to another pod.
    - --drain-strategy
    - immediate
    - --drain-time-s
    - {{ .drainSeconds | quote }}
  env:
    - name: POD_NAME
      valueFrom: { fieldRef: { fieldPath: metadata.name } }
  ports:
    - { name: mtls, containerPort: {{ .port }} }
    - { name: envoy-probes, containerPort: {{ .probePort }} }
  # It listens when it has its secrets.
  startupProbe:
    httpGet: { path: /ready, port: envoy-probes }
    periodSeconds: 1
    timeoutSeconds: 3
    failureThreshold: 60
  readinessProbe:
    httpGet: { path: /ready, port: envoy-probes }
    periodSeconds: 5
    timeoutSeconds: 3
  livenessProbe:
    httpGet: { path: /live, port: envoy-probes }
    timeoutSeconds: 3
  lifecycle:
    preStop:
      exec:
        # At once, beside the preStop of your containers. There is a shell in Envoy's image, but nothing that speaks HTTP.
        command:
          - /bin/bash
          - -c
          - |
            exec 3<>/dev/tcp/127.0.0.1/{{ .adminPort }} &&
              printf 'POST /drain_listeners?graceful&skip_exit HTTP/1.1\r\nhost: localhost\r\ncontent-length: 0\r\n\r\n' >&3 &&
              read -r -t 5 -u 3
            sleep {{ .drainSeconds }}
  securityContext:
    {{- include "spiffe-sds.containerSecurity" .runAsUser | nindent 4 }}
  volumeMounts:
    - { name: spiffe-sds, mountPath: /run/spiffe-sds, readOnly: true }
    - { name: envoy, mountPath: /etc/envoy, readOnly: true }
  resources:
    {{- toYaml .resources | nindent 4 }}
{{- end -}}
{{- end -}}

{{/* For `volumes`. Takes `root` and `name`, the workload's. */}}
{{- define "spiffe-sds.envoyVolumes" -}}
- name: envoy
  configMap: { name: {{ include "spiffe-sds.envoyConfigMapName" . }} }
{{- end -}}

{{- define "spiffe-sds.envoyConfigMapName" -}}
{{ printf "%s-envoy" .name | trunc 63 | trimSuffix "-" }}
{{- end -}}

{{/* For the `lifecycle` of your container that Envoy forwards to: it serves while Envoy drains. Takes the root. */}}
{{- define "spiffe-sds.lifecycle" -}}
preStop: { sleep: { seconds: {{ (index .Subcharts "spiffe-sds").Values.envoy.drainSeconds }} } }
{{- end -}}

{{/*
For the `readinessProbe` of your container that Envoy forwards to, by the `readinessPath` of `inbound`. Without one a new pod is ready before your
application is, and a rollout loses requests. Takes the root.
*/}}
{{- define "spiffe-sds.appReadiness" -}}
httpGet: { path: /app, port: {{ (index .Subcharts "spiffe-sds").Values.envoy.probePort }} }
periodSeconds: 5
timeoutSeconds: 3
{{- end -}}

{{/* For `terminationGracePeriodSeconds`: the drain, and half a minute for your container to end. Takes the root. */}}
{{- define "spiffe-sds.gracePeriod" -}}
{{ add (index .Subcharts "spiffe-sds").Values.envoy.drainSeconds 30 }}
{{- end -}}

{{/*
The ConfigMap of one workload's Envoy. Takes `root`, `name`, and as `inbound` and `outbound` what "spiffe-sds.bootstrap" takes. Envoy reads it at
its start: put "spiffe-sds.envoyChecksum" into the annotations of the pod, so that a change makes new ones.
*/}}
{{- define "spiffe-sds.envoyConfigMap" -}}
apiVersion: v1
kind: ConfigMap
metadata:
  name: {{ include "spiffe-sds.envoyConfigMapName" . }}
  namespace: {{ .root.Release.Namespace }}
data:
  envoy.yaml: |
    {{- include "spiffe-sds.bootstrap" . | nindent 4 }}
{{- end -}}

{{/* An annotation of the pod. Takes the same as "spiffe-sds.envoyConfigMap". */}}
{{- define "spiffe-sds.envoyChecksum" -}}
spiffe-sds/envoy-checksum: {{ include "spiffe-sds.bootstrap" . | sha256sum }}
{{- end -}}

{{/* Who a peer is: a service account, of whatever trust domain is trusted. Takes `namespace` and `serviceAccount`. */}}
{{- define "spiffe-sds.isServiceAccount" -}}
safe_regex: { regex: {{ printf "spiffe://[^/]+/ns/%s/sa/%s" (regexQuoteMeta .namespace) (regexQuoteMeta .serviceAccount) | quote }} }
{{- end -}}
