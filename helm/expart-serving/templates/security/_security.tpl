{{/* ServiceAccount of a component's pods: (dict "root" $ "component" "scoring"). */}}
{{- define "expart-serving.serviceAccountName" -}}
{{- $account := (index .root.Values .component).serviceAccount -}}
{{- if $account.create -}}
{{- default (printf "%s-%s" (include "expart-serving.fullname" .root) .component) $account.name -}}
{{- else -}}
{{- default "default" $account.name -}}
{{- end -}}
{{- end -}}

{{/* Whether the services speak TLS: the text true, or nothing. */}}
{{- define "expart-serving.tls.enabled" -}}
{{- if ne .Values.tls.mode "none" }}true{{ end -}}
{{- end -}}

{{/* Secret with the certificate of "generation", "scoring" or "client": (dict "root" $ "component" …). */}}
{{- define "expart-serving.tls.secretName" -}}
{{- if eq .root.Values.tls.mode "certManager" -}}
{{- printf "%s-%s-tls" (include "expart-serving.fullname" .root) .component -}}
{{- else -}}
{{- required (printf "tls.secrets.%s: name the Secret with its tls.crt and tls.key" .component) (index .root.Values.tls.secrets .component) -}}
{{- end -}}
{{- end -}}

{{/* Volumes of a server's certificate and of its callers' tokens: (dict "root" $ "component" …). */}}
{{- define "expart-serving.security.volumes" -}}
{{- if include "expart-serving.tls.enabled" .root }}
- name: tls
  secret:
    secretName: {{ include "expart-serving.tls.secretName" . }}
    defaultMode: 0440
{{- end }}
{{- with .root.Values.tokens.existingSecret }}
- name: tokens
  secret:
    secretName: {{ . }}
    defaultMode: 0440
    items:
      - key: {{ $.root.Values.tokens.key }}
        path: tokens
{{- end }}
{{- end -}}

{{/* Where a server finds them: (dict "root" $). */}}
{{- define "expart-serving.security.volumeMounts" -}}
{{- if include "expart-serving.tls.enabled" .root }}
- name: tls
  mountPath: /etc/expart/tls
  readOnly: true
{{- end }}
{{- if .root.Values.tokens.existingSecret }}
- name: tokens
  mountPath: /etc/expart/tokens
  readOnly: true
{{- end }}
{{- end -}}

{{/* A server's settings for them, by the names that both services know: (dict "root" $). */}}
{{- define "expart-serving.security.settings" -}}
{{- if include "expart-serving.tls.enabled" .root }}
tls_certificate_file: /etc/expart/tls/tls.crt
tls_key_file: /etc/expart/tls/tls.key
{{- if .root.Values.tls.clientCertificates }}
tls_client_ca_file: /etc/expart/tls/ca.crt
{{- end }}
{{- end }}
{{- if .root.Values.tokens.existingSecret }}
token_file: /etc/expart/tokens/tokens
{{- end }}
{{- end -}}

{{/* Value of an environment variable: numbers as they were written, not as 1e+06. */}}
{{- define "expart-serving.variable" -}}
{{- if kindIs "string" . }}{{ quote . }}{{ else }}{{ toJson . | quote }}{{ end -}}
{{- end -}}
