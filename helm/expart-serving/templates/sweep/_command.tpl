{{/*
A Job that runs the expart command once: (dict "root" $ "component" "report" "command" (list …)
"resources" … "volumes" … "volumeMounts" …), the last two as text.
*/}}
{{- define "expart-serving.sweep.commandJob" -}}
{{- $root := .root -}}
{{- $sweep := $root.Values.sweep -}}
apiVersion: batch/v1
kind: Job
metadata:
  name: {{ .name }}
  namespace: {{ $root.Release.Namespace }}
  labels:
    {{- include "expart-serving.labels" (dict "root" $root "component" .component) | nindent 4 }}
spec:
  backoffLimit: 6
  template:
    metadata:
      labels:
        {{- include "expart-serving.selectorLabels" (dict "root" $root "component" .component) | nindent 8 }}
    spec:
      restartPolicy: Never
      serviceAccountName: {{ include "expart-serving.serviceAccountName" (dict "root" $root "component" "sweep") }}
      automountServiceAccountToken: false
      enableServiceLinks: false
      {{- include "expart-serving.imagePullSecrets" $root | nindent 6 }}
      securityContext:
        {{- include "expart-serving.podSecurityContext" $root | nindent 8 }}
      containers:
        - name: expart
          image: {{ include "expart-serving.image" (dict "root" $root "image" $sweep.image) }}
          imagePullPolicy: {{ $root.Values.image.pullPolicy }}
          securityContext:
            {{- include "expart-serving.containerSecurityContext" $root | nindent 12 }}
          command: {{ toJson .command }}
          env:
            - name: EXPART_CLI_LOG_FOLDER
              value: /tmp/log
            {{- with $sweep.extraEnv }}
            {{- toYaml . | nindent 12 }}
            {{- end }}
          resources:
            {{- toYaml .resources | nindent 12 }}
          volumeMounts:
            - name: tmp
              mountPath: /tmp
            {{- .volumeMounts | nindent 12 }}
      volumes:
        - name: tmp
          emptyDir:
            sizeLimit: 4Gi
        {{- .volumes | nindent 8 }}
      {{- with $sweep.nodeSelector }}
      nodeSelector:
        {{- toYaml . | nindent 8 }}
      {{- end }}
      {{- with $sweep.tolerations }}
      tolerations:
        {{- toYaml . | nindent 8 }}
      {{- end }}
{{- end -}}

{{/* Name of the claim for the dataset; nothing where there is none. */}}
{{- define "expart-serving.sweep.datasetClaim" -}}
{{- $dataset := .Values.sweep.dataset -}}
{{- if $dataset.existingClaim -}}
{{- $dataset.existingClaim -}}
{{- else if $dataset.createClaim -}}
{{- printf "%s-dataset" (include "expart-serving.fullname" .) -}}
{{- end -}}
{{- end -}}

{{/* Volume of the dataset: (dict "root" $ "readOnly" true); nothing where there is none. */}}
{{- define "expart-serving.sweep.datasetVolume" -}}
{{- with include "expart-serving.sweep.datasetClaim" .root }}
- name: dataset
  persistentVolumeClaim:
    claimName: {{ . }}
    {{- if $.readOnly }}
    readOnly: true
    {{- end }}
{{- end }}
{{- end -}}

{{/* Where it lies; arguments as above. */}}
{{- define "expart-serving.sweep.datasetMount" -}}
{{- if include "expart-serving.sweep.datasetClaim" .root }}
- name: dataset
  mountPath: /dataset
  {{- if .readOnly }}
  readOnly: true
  {{- end }}
  {{- with .root.Values.sweep.dataset.subPath }}
  subPath: {{ . }}
  {{- end }}
{{- end }}
{{- end -}}
