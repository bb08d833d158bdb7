{{/* What these templates know of themselves, wherever they are included: their own values, version and files. Takes the root. */}}
{{- define "spiffe-sds.own" -}}
{{- if not (hasKey .Subcharts "spiffe-sds") -}}
{{- fail "pass the root of your chart to the templates of spiffe-sds, and name it spiffe-sds under `dependencies`, without an alias" -}}
{{- end -}}
{{- end -}}

{{/* REPOSITORY@DIGEST, or REPOSITORY:TAG. Takes `image` and `tag`, the one that is meant by none. */}}
{{- define "spiffe-sds.image" -}}
{{- with .image -}}
{{- if .digest -}}{{ .repository }}@{{ .digest }}{{- else -}}{{ .repository }}:{{ .tag | default $.tag }}{{- end -}}
{{- end -}}
{{- end -}}

{{/* What Pod Security "restricted" asks of a container, and a file system that cannot be written. Takes the uid. */}}
{{- define "spiffe-sds.containerSecurity" -}}
runAsUser: {{ . }}
runAsGroup: {{ . }}
runAsNonRoot: true
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities: { drop: [ALL] }
{{- end -}}

{{/* The labels of a workload, by which it is selected. Takes `root` and `name`. */}}
{{- define "spiffe-sds.selector" -}}
app.kubernetes.io/name: {{ .name }}
app.kubernetes.io/instance: {{ .root.Release.Name }}
{{- end -}}
