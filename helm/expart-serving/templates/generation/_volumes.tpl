{{/* What lies at /models. */}}
{{- define "expart-serving.generation.modelCache" -}}
{{- $cache := .Values.generation.modelCache -}}
- name: models
{{- if eq $cache.type "emptyDir" }}
  emptyDir:
    sizeLimit: {{ $cache.sizeLimit }}
{{- else if eq $cache.type "hostPath" }}
  hostPath:
    path: {{ required "generation.modelCache.hostPath: name the folder of the nodes" $cache.hostPath }}
    type: Directory
{{- else }}
  persistentVolumeClaim:
    claimName: {{ default (printf "%s-models" (include "expart-serving.fullname" .)) $cache.existingClaim }}
{{- end }}
{{- end -}}

{{/*
Whether a pod has the file with the hub's token: the text true, or nothing. Fronts read tokenizers
there, models their weights; the head reads nothing.
*/}}
{{- define "expart-serving.generation.hasHubTokenFile" -}}
{{- $token := .root.Values.generation.hubToken -}}
{{- if and $token.existingSecret (eq $token.as "file") (ne .node "head") }}true{{ end -}}
{{- end -}}

{{/* Whether a pod has the keys of closed models: only their replicas ask them. */}}
{{- define "expart-serving.generation.hasApiKeys" -}}
{{- if and .root.Values.generation.apiKeys.existingSecret (eq .node "model") }}true{{ end -}}
{{- end -}}

{{/* Volumes of a Ray pod. */}}
{{- define "expart-serving.generation.volumes" -}}
{{- $generation := .root.Values.generation -}}
- name: tmp
  emptyDir:
    sizeLimit: {{ $generation.tmpSizeLimit }}
{{- if ne $generation.modelCache.type "image" }}
{{ include "expart-serving.generation.modelCache" .root }}
{{- end }}
{{- if include "expart-serving.generation.hasHubTokenFile" . }}
- name: hub-token
  secret:
    secretName: {{ $generation.hubToken.existingSecret }}
    defaultMode: 0440
    items:
      - key: {{ $generation.hubToken.key }}
        path: token
{{- end }}
{{- if include "expart-serving.generation.hasApiKeys" . }}
- name: api-keys
  secret:
    secretName: {{ $generation.apiKeys.existingSecret }}
    defaultMode: 0440
{{- end }}
{{- if eq .node "front" }}
{{- include "expart-serving.security.volumes" (dict "root" .root "component" "generation") }}
{{- end }}
{{- if and (eq .node "head") $generation.autoscaling.enabled }}
{{ include "expart-serving.generation.autoscalerToken" . }}
{{- end }}
{{- with $generation.extraVolumes }}
{{ toYaml . }}
{{- end }}
{{- end -}}

{{/* Where a Ray container finds them. */}}
{{- define "expart-serving.generation.volumeMounts" -}}
{{- $generation := .root.Values.generation -}}
- name: tmp
  mountPath: /tmp
{{- if ne $generation.modelCache.type "image" }}
- name: models
  mountPath: /models
{{- end }}
{{- if include "expart-serving.generation.hasHubTokenFile" . }}
- name: hub-token
  mountPath: /run/secrets/expart-hub
  readOnly: true
{{- end }}
{{- if include "expart-serving.generation.hasApiKeys" . }}
- name: api-keys
  mountPath: /run/secrets/expart
  readOnly: true
{{- end }}
{{- if eq .node "front" }}
{{- include "expart-serving.security.volumeMounts" (dict "root" .root "component" "generation") }}
{{- end }}
{{- with $generation.extraVolumeMounts }}
{{ toYaml . }}
{{- end }}
{{- end -}}

{{/*
What the autoscaler says to Kubernetes who it is: a token in its container alone, not in Ray's, whose
processes run code of models.
*/}}
{{- define "expart-serving.generation.autoscalerToken" -}}
- name: autoscaler-token
  projected:
    defaultMode: 0440
    sources:
      - serviceAccountToken:
          path: token
          expirationSeconds: 3600
      - configMap:
          name: kube-root-ca.crt
          items:
            - key: ca.crt
              path: ca.crt
      - downwardAPI:
          items:
            - path: namespace
              fieldRef:
                fieldPath: metadata.namespace
{{- end -}}
