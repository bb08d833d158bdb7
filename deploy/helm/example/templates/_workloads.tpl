{{/* The two workloads, as the templates of spiffe-sds take them. */}}
{{- define "example.server" -}}
name: {{ .Release.Name }}-server
inbound:
  appPort: 8080
  readinessPath: /healthz
  allow:
    - {{ include "spiffe-sds.isServiceAccount" (dict "namespace" .Release.Namespace "serviceAccount" (printf "%s-client" .Release.Name)) }}
{{- end -}}

{{- define "example.client" -}}
name: {{ .Release.Name }}-client
outbound:
  - name: server
    listen: 8081
    host: {{ .Release.Name }}-server.{{ .Release.Namespace }}.svc
    port: 8443
    expect:
      - {{ include "spiffe-sds.isServiceAccount" (dict "namespace" .Release.Namespace "serviceAccount" (printf "%s-server" .Release.Name)) }}
{{- end -}}

{{/* The container of an application: yours has an image of its own. Takes `root`, `script`. */}}
{{- define "example.container" -}}
{{- $own := index .root.Subcharts "spiffe-sds" -}}
name: app
# It has Node.
image: {{ include "spiffe-sds.image" (dict "image" $own.Values.image "tag" $own.Chart.AppVersion) }}
imagePullPolicy: {{ $own.Values.image.pullPolicy }}
command: [node, /etc/app/{{ .script }}]
securityContext:
  {{- include "spiffe-sds.containerSecurity" 1000 | nindent 2 }}
volumeMounts:
  - { name: app, mountPath: /etc/app, readOnly: true }
resources:
  requests: { cpu: 10m, memory: 64Mi }
  limits: { memory: 128Mi }
{{- end -}}
