{{/* Labels of what Prometheus' operator picks by its labels: (dict "root" $ "component" …). */}}
{{- define "expart-serving.monitoring.labels" -}}
{{ include "expart-serving.labels" . }}
{{- with .root.Values.monitoring.labels }}
{{ toYaml . }}
{{- end }}
{{- end -}}
