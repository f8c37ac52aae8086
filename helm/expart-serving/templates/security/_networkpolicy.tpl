{{/* Metadata of a NetworkPolicy: (dict "root" $ "component" "scoring"). */}}
{{- define "expart-serving.networkPolicy.metadata" -}}
name: {{ include "expart-serving.fullname" .root }}-{{ .component }}
namespace: {{ .root.Release.Namespace }}
labels:
  {{- include "expart-serving.labels" . | nindent 2 }}
{{- end -}}

{{/* Ports of a rule, over TCP: a list of numbers. */}}
{{- define "expart-serving.networkPolicy.ports" -}}
ports:
{{- range . }}
  - protocol: TCP
    port: {{ int . }}
{{- end }}
{{- end -}}

{{/* Peers that are this release's own pods: (dict "root" $ "components" (list "sweep" "tests")). */}}
{{- define "expart-serving.networkPolicy.ownPeers" -}}
{{- range .components }}
- podSelector:
    matchLabels:
      {{- include "expart-serving.selectorLabels" (dict "root" $.root "component" .) | nindent 6 }}
{{- end }}
{{- end -}}

{{/* Egress of callers to the release's own two services. */}}
{{- define "expart-serving.networkPolicy.toServices" -}}
{{- if .Values.generation.enabled }}
- to:
    {{- include "expart-serving.networkPolicy.ownPeers" (dict "root" . "components" (list "generation")) | nindent 4 }}
  {{- include "expart-serving.networkPolicy.ports" (list 50051) | nindent 2 }}
{{- end }}
{{- if .Values.scoring.enabled }}
- to:
    {{- include "expart-serving.networkPolicy.ownPeers" (dict "root" . "components" (list "scoring")) | nindent 4 }}
  {{- include "expart-serving.networkPolicy.ports" (list 50061) | nindent 2 }}
{{- end }}
{{- end -}}

{{/* Ingress from Prometheus: (dict "root" $ "ports" (list 9465)). */}}
{{- define "expart-serving.networkPolicy.fromPrometheus" -}}
{{- with .root.Values.networkPolicy.prometheus }}
- from:
    {{- toYaml . | nindent 4 }}
  {{- include "expart-serving.networkPolicy.ports" $.ports | nindent 2 }}
{{- end }}
{{- end -}}
