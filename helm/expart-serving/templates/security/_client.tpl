{{/* Secret and key of the authority that callers trust; nothing for the well-known ones. */}}
{{- define "expart-serving.tls.authoritySecret" -}}
{{- $authority := .Values.tls.authority -}}
{{- if $authority.wellKnown -}}
{{- else if $authority.existingSecret -}}
{{- $authority.existingSecret -}}
{{- else if .Values.generation.enabled -}}
{{- include "expart-serving.tls.secretName" (dict "root" . "component" "generation") -}}
{{- else if .Values.scoring.enabled -}}
{{- include "expart-serving.tls.secretName" (dict "root" . "component" "scoring") -}}
{{- else -}}
{{- fail "tls.authority.existingSecret: name the Secret with the authority that the services' certificates are of" -}}
{{- end -}}
{{- end -}}

{{/* Volumes of a caller: the authority, its own certificate, its token. */}}
{{- define "expart-serving.client.volumes" -}}
{{- if include "expart-serving.tls.enabled" . }}
{{- with include "expart-serving.tls.authoritySecret" . }}
- name: authority
  secret:
    secretName: {{ . }}
    defaultMode: 0440
    items:
      - key: {{ $.Values.tls.authority.key }}
        path: ca.crt
{{- end }}
{{- if .Values.tls.clientCertificates }}
- name: client-tls
  secret:
    secretName: {{ include "expart-serving.tls.secretName" (dict "root" . "component" "client") }}
    defaultMode: 0440
{{- end }}
{{- end }}
{{- with .Values.tokens.client.existingSecret }}
- name: token
  secret:
    secretName: {{ . }}
    defaultMode: 0440
    items:
      - key: {{ $.Values.tokens.client.key }}
        path: token
{{- end }}
{{- end -}}

{{/* Where a caller finds them. */}}
{{- define "expart-serving.client.volumeMounts" -}}
{{- if include "expart-serving.tls.enabled" . }}
{{- if include "expart-serving.tls.authoritySecret" . }}
- name: authority
  mountPath: /etc/expart/authority
  readOnly: true
{{- end }}
{{- if .Values.tls.clientCertificates }}
- name: client-tls
  mountPath: /etc/expart/client-tls
  readOnly: true
{{- end }}
{{- end }}
{{- if .Values.tokens.client.existingSecret }}
- name: token
  mountPath: /etc/expart/token
  readOnly: true
{{- end }}
{{- end -}}

{{/* Variables by which the expart command uses them. */}}
{{- define "expart-serving.client.env" -}}
{{- if include "expart-serving.tls.enabled" . }}
- name: EXPART_CLI_TLS
  value: "true"
{{- if include "expart-serving.tls.authoritySecret" . }}
- name: EXPART_CLI_TLS_CA_FILE
  value: /etc/expart/authority/ca.crt
{{- end }}
{{- if .Values.tls.clientCertificates }}
- name: EXPART_CLI_TLS_CERTIFICATE_FILE
  value: /etc/expart/client-tls/tls.crt
- name: EXPART_CLI_TLS_KEY_FILE
  value: /etc/expart/client-tls/tls.key
{{- end }}
{{- end }}
{{- if .Values.tokens.client.existingSecret }}
- name: EXPART_CLI_TOKEN_FILE
  value: /etc/expart/token/token
{{- end }}
{{- end -}}

{{/* Addresses of the two services: the release's own, or those that the values name. */}}
{{- define "expart-serving.client.generationAddress" -}}
{{- if .Values.sweep.generationAddress -}}
{{- .Values.sweep.generationAddress -}}
{{- else if .Values.generation.enabled -}}
{{- printf "%s-generation.%s.svc:50051" (include "expart-serving.fullname" .) .Release.Namespace -}}
{{- else -}}
{{- fail "sweep.generationAddress: name the generation service, as generation.enabled is false" -}}
{{- end -}}
{{- end -}}

{{- define "expart-serving.client.scoringAddress" -}}
{{- if .Values.sweep.scoringAddress -}}
{{- .Values.sweep.scoringAddress -}}
{{- else if .Values.scoring.enabled -}}
{{- printf "%s-scoring.%s.svc:50061" (include "expart-serving.fullname" .) .Release.Namespace -}}
{{- else -}}
{{- fail "sweep.scoringAddress: name the scoring service, as scoring.enabled is false" -}}
{{- end -}}
{{- end -}}
