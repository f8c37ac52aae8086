{{/* Environment of the scoring service. */}}
{{- define "expart-serving.scoring.env" -}}
{{- $encoder := .Values.scoring.encoder -}}
- name: EXPART_SCORING_ADDRESS
  value: 0.0.0.0:50061
- name: EXPART_SCORING_HEALTH_ADDRESS
  value: 0.0.0.0:50062
- name: EXPART_SCORING_METRICS_PORT
  value: "9465"
{{- range $name, $value := include "expart-serving.security.settings" (dict "root" .) | fromYaml }}
- name: EXPART_SCORING_{{ upper $name }}
  value: {{ include "expart-serving.variable" $value }}
{{- end }}
{{- if $encoder.model }}
- name: EXPART_SCORING_ENCODER
  value: {{ quote $encoder.model }}
- name: EXPART_SCORING_ENCODER_REVISION
  value: {{ quote $encoder.revision }}
{{- with $encoder.layer }}
- name: EXPART_SCORING_ENCODER_LAYER
  value: {{ include "expart-serving.variable" . }}
{{- end }}
- name: EXPART_SCORING_ENCODER_DEVICE
  value: {{ quote $encoder.device }}
- name: EXPART_SCORING_ENCODER_LOCAL_FILES_ONLY
  value: {{ quote $encoder.localFilesOnly }}
- name: EXPART_SCORING_ENCODER_START_TIMEOUT_S
  value: {{ include "expart-serving.variable" $encoder.startTimeoutSeconds }}
- name: HF_HOME
  value: /var/cache/expart/huggingface
{{- end }}
{{- range $name, $value := .Values.scoring.settings }}
- name: EXPART_SCORING_{{ upper $name }}
  value: {{ include "expart-serving.variable" $value }}
{{- end }}
{{- with .Values.scoring.extraEnv }}
{{ toYaml . }}
{{- end }}
{{- end -}}

{{/* Volumes of the scoring service's pods. */}}
{{- define "expart-serving.scoring.volumes" -}}
{{- $cache := .Values.scoring.encoder.cache -}}
- name: tmp
  emptyDir:
    sizeLimit: 1Gi
{{- if .Values.scoring.encoder.model }}
- name: encoder-cache
  {{- if $cache.existingClaim }}
  persistentVolumeClaim:
    claimName: {{ $cache.existingClaim }}
  {{- else }}
  emptyDir:
    sizeLimit: {{ $cache.sizeLimit }}
  {{- end }}
{{- end }}
{{- include "expart-serving.security.volumes" (dict "root" . "component" "scoring") }}
{{- end -}}

{{/* Where the scoring service's pods may run, and how they spread. */}}
{{- define "expart-serving.scoring.placement" -}}
{{- $context := dict "root" . "component" "scoring" -}}
{{- $spread := .Values.scoring.topologySpread -}}
topologySpreadConstraints:
{{- range $spread.topologyKeys }}
  - maxSkew: {{ $spread.maxSkew }}
    topologyKey: {{ . }}
    whenUnsatisfiable: {{ $spread.whenUnsatisfiable }}
    labelSelector:
      matchLabels:
        {{- include "expart-serving.selectorLabels" $context | nindent 8 }}
    # Each revision by itself: else the pods that are being replaced decide where the new ones go.
    matchLabelKeys:
      - pod-template-hash
{{- else }} []
{{- end }}
{{- with .Values.scoring.nodeSelector }}
nodeSelector:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .Values.scoring.tolerations }}
tolerations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .Values.scoring.affinity }}
affinity:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end -}}
