{{/*
A Job that runs the expart command once: (dict "root" $ "component" "report" "name" … "command" (list …)
"resources" … "volumes" … "volumeMounts" …), the last two as text. Without a name it is named by what
its pods are, which Kubernetes lets nobody change: what changes them makes another Job.
*/}}
{{- define "expart-serving.sweep.commandJob" -}}
{{- $root := .root -}}
{{- $template := include "expart-serving.sweep.commandPod" . -}}
{{- $hashed := printf "%s-%s-%s" (include "expart-serving.fullname" $root) .component ($template | sha256sum | trunc 8) -}}
apiVersion: batch/v1
kind: Job
metadata:
  name: {{ .name | default $hashed }}
  namespace: {{ $root.Release.Namespace }}
  labels:
    {{- include "expart-serving.labels" (dict "root" $root "component" .component) | nindent 4 }}
spec:
  backoffLimit: 6
  podFailurePolicy:
    rules:
      # The node was lost or drained: the next pod goes on.
      - action: Ignore
        onPodConditions:
          - type: DisruptionTarget
            status: "True"
  template:
    {{- $template | nindent 4 }}
{{- end -}}

{{/* Its pods. They need no cloud's role, as the drivers may, and so none of their account. */}}
{{- define "expart-serving.sweep.commandPod" -}}
{{- $root := .root -}}
{{- $sweep := $root.Values.sweep -}}
metadata:
  labels:
    {{- include "expart-serving.selectorLabels" (dict "root" $root "component" .component) | nindent 4 }}
spec:
  restartPolicy: Never
  automountServiceAccountToken: false
  enableServiceLinks: false
  {{- include "expart-serving.imagePullSecrets" $root | nindent 2 }}
  securityContext:
    {{- include "expart-serving.podSecurityContext" $root | nindent 4 }}
  containers:
    - name: expart
      image: {{ include "expart-serving.image" (dict "root" $root "image" $sweep.image) }}
      imagePullPolicy: {{ $root.Values.image.pullPolicy }}
      securityContext:
        {{- include "expart-serving.containerSecurityContext" $root | nindent 8 }}
      command: {{ toJson .command }}
      env:
        - name: EXPART_CLI_LOG_FOLDER
          value: /tmp/log
        {{- with $sweep.extraEnv }}
        {{- toYaml . | nindent 8 }}
        {{- end }}
      resources:
        {{- toYaml .resources | nindent 8 }}
      volumeMounts:
        - name: tmp
          mountPath: /tmp
        {{- .volumeMounts | nindent 8 }}
  volumes:
    - name: tmp
      emptyDir:
        sizeLimit: 4Gi
    {{- .volumes | nindent 4 }}
  {{- with $sweep.nodeSelector }}
  nodeSelector:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- with $sweep.tolerations }}
  tolerations:
    {{- toYaml . | nindent 4 }}
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
